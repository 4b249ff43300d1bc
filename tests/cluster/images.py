#!/usr/bin/env python3
"""Writes one OCI archive with all images of the test-bed: images.py PROGRAMS ROOTFS ENVOY ARCHIVE

Layers are shared and not compressed: importing them is most of what a bring-up waits for.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile

ISTIO_TAG = "1.31.0"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The root file system is the node's too; applications need neither its container runtime nor device files.
NOT_FOR_APPLICATIONS = ["./dev/*", "./proc/*", "./sys/*", "./var/log/*", "./var/cache/*", "./var/lib/apt/*",
                        "./usr/bin/containerd*", "./usr/bin/ctr", "./usr/sbin/runc", "./usr/lib/cni",
                        "./usr/share/locale", "./usr/share/perl*", "./usr/share/i18n"]


def rootfs_layer(work, rootfs):
    """The root file system as a layer."""
    path = os.path.join(work, "base.tar")
    without = ["--exclude=" + pattern for pattern in NOT_FOR_APPLICATIONS]
    subprocess.check_call(["tar", "-C", rootfs, "--numeric-owner", *without, "-cf", path, "."])
    return path


def files_layer(work, name, files):
    """A layer of single files: {path in the image: (source, mode)}."""
    path = os.path.join(work, name + ".tar")
    made = set()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as layer:
        for target, (source, mode) in sorted(files.items()):
            parts = target.lstrip("/").split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                if folder not in made:
                    made.add(folder)
                    entry = tarfile.TarInfo(folder)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    layer.addfile(entry)
            entry = tarfile.TarInfo(target.lstrip("/"))
            entry.mode, entry.size = mode, os.path.getsize(source)
            with open(source, "rb") as content:
                layer.addfile(entry, content)
    return path


class Archive:
    """An OCI image layout in a tar file."""

    def __init__(self, path):
        self.tar = tarfile.open(path, "w")
        self.written = set()

    def add(self, name, content, size):
        entry = tarfile.TarInfo(name)
        entry.size = size
        self.tar.addfile(entry, content)

    def blob(self, content, size):
        """Adds a blob once; returns what a manifest says of it."""
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        content.seek(0)
        if digest not in self.written:
            self.written.add(digest)
            self.add("blobs/sha256/" + digest, content, size)
        return {"digest": "sha256:" + digest, "size": size}

    def document(self, value):
        text = json.dumps(value).encode()
        return self.blob(io.BytesIO(text), len(text))

    def file(self, path):
        with open(path, "rb") as content:
            return self.blob(content, os.path.getsize(path))

    def image(self, name, layers, config):
        """Adds an image; returns its entry of the index."""
        config = self.document({
            "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=" + PATH], **config},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}})
        manifest = self.document({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer} for layer in layers]})
        return {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest,
                "annotations": {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}}

    def close(self, index):
        for name, value in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                            ("index.json", {"schemaVersion": 2, "manifests": index})):
            text = json.dumps(value).encode()
            self.add(name, io.BytesIO(text), len(text))
        self.tar.close()


def main(programs, rootfs, envoy, target):
    bootstrap = {"/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": (programs + "/envoy_bootstrap.json", 0o644)}
    # BusyBox is what it is called.
    busybox = {f"/bin/{name}": (rootfs + "/bin/busybox", 0o755) for name in ("sleep", "wget")}
    program = lambda where, name: {f"{where}/{name}": (f"{programs}/{name}", 0o755)}
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as work:
        archive = Archive(target)
        layer = lambda name, files: archive.file(files_layer(work, name, files))
        base = archive.file(rootfs_layer(work, rootfs))
        pause = layer("pause", program("", "pause"))
        bare = layer("bare", program("", "bare"))
        dns = layer("coredns", program("", "coredns"))
        wget = layer("wget", busybox)
        pilot = layer("pilot", {**program("/usr/local/bin", "pilot-discovery"), **bootstrap})
        proxy = layer("proxy", {**program("/usr/local/bin", "pilot-agent"), "/usr/local/bin/envoy": (envoy, 0o755), **bootstrap})
        archive.close([
            archive.image("localhost/pause:1", [pause], {"Entrypoint": ["/pause"]}),
            archive.image("localhost/bare:1", [bare], {"Entrypoint": ["/bare"]}),
            archive.image("localhost/coredns:1", [dns], {"Entrypoint": ["/coredns"]}),
            archive.image("localhost/wget:1", [wget], {"Cmd": ["/bin/sleep", "infinity"]}),
            archive.image("localhost/app:1", [base], {"Cmd": ["/bin/sleep", "infinity"]}),
            archive.image(f"localhost/istio/pilot:{ISTIO_TAG}", [base, pilot],
                          {"Entrypoint": ["/usr/local/bin/pilot-discovery"], "User": "1337:1337"}),
            archive.image(f"localhost/istio/proxyv2:{ISTIO_TAG}", [base, proxy], {"Entrypoint": ["/usr/local/bin/pilot-agent"]}),
        ])


if __name__ == "__main__":
    main(*sys.argv[1:])
