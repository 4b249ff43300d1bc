//! What `-f` may name, and what is said of a file that cannot be read.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::{CONFLICT, STRICT, mtls};

const LOOKED_AT: &str = "pa/default.foo";

fn utf16(text: &str, mark: [u8; 2], unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    mark.into_iter().chain(text.encode_utf16().flat_map(unit)).collect()
}

#[test]
fn utf_16_is_read_as_powershell_writes_it() {
    for bytes in [utf16(STRICT, [0xff, 0xfe], u16::to_le_bytes), utf16(STRICT, [0xfe, 0xff], u16::to_be_bytes)] {
        mtls(&["check", "--standalone", "-f", "pa.yaml"]).file("pa.yaml", bytes).end().status(0).stdout(&[LOOKED_AT]);
    }
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let cut = utf16(STRICT, [0xff, 0xfe], u16::to_le_bytes);
    let cut = cut.split_last().unwrap().1.to_vec();
    for (bytes, said) in [
        (cut, "it is not UTF-16 text (little-endian, but its last character is cut off)"),
        (vec![0xfe, 0xff, 0xd8, 0x00, 0x00, 0x41], "it is not UTF-16 text (big-endian; character 0 is half of a pair)"),
        (b"kind: \xc3\x28".to_vec(), "it is not UTF-8 text (byte 6 is not part of a character)"),
        (b"\x1f\x8b\x08\x00".to_vec(), "it is compressed; unpack it: `gunzip -c FILE | kubectl mtls check -f -`"),
    ] {
        mtls(&["check", "-f", "bad.yaml"])
            .file("bad.yaml", bytes)
            .end()
            .status(3)
            .no_stdout()
            .stderr(&[&format!("error: cannot read `bad.yaml`: {said}")]);
    }
}

#[test]
fn directories_below_are_looked_into_where_that_is_asked_for() {
    let run = |args: &[&str]| mtls(args).file("mesh/a/b/pa.yaml", STRICT).file("mesh/a/notes.txt", "{{").end();
    run(&["check", "--standalone", "-f", "mesh"]).status(3).stderr(&[
        "cannot read `mesh`: the directory holds no .yaml, .yml or .json file; -R looks into those below it",
    ]);
    run(&["check", "--standalone", "-R", "-f", "mesh"]).status(0).stdout(&[LOOKED_AT]);
    run(&["check", "--standalone", "--recursive", "-f", "mesh/a"]).status(0).stdout(&[LOOKED_AT]);
}

#[test]
fn links_in_a_circle_end() {
    let run = mtls(&["check", "--standalone", "-R", "-f", "mesh"]).file("mesh/pa.yaml", STRICT);
    symlink(".", run.path().join("mesh/again")).unwrap();
    run.end().status(0).stdout(&[LOOKED_AT]);

    let run = mtls(&["check", "--standalone", "-f", "mesh"]).file("mesh/pa.yaml", STRICT);
    symlink("round.yaml", run.path().join("mesh/round.yaml")).unwrap();
    symlink("gone.yaml", run.path().join("mesh/dangling.yaml")).unwrap();
    run.end().status(3).stdout(&[LOOKED_AT]).stderr(&[
        "cannot read `mesh/dangling.yaml`: No such file or directory",
        "cannot read `mesh/round.yaml`: Too many levels of symbolic links",
    ]);
}

#[test]
fn nothing_waits_for_a_pipe_or_socket_that_lies_about() {
    let run = mtls(&["check", "--standalone", "-f", "mesh"]).file("mesh/pa.yaml", STRICT);
    let _socket = UnixListener::bind(run.path().join("mesh/socket.yaml")).unwrap();
    run.end().status(3).stdout(&[LOOKED_AT]).stderr(&["cannot read `mesh/socket.yaml`: it is no regular file"]);
}

#[test]
fn a_quoted_pattern_is_the_files_that_it_fits() {
    let run = |pattern: &str| {
        mtls(&["check", "--standalone", "-f", pattern])
            .file("one-pa.yaml", STRICT)
            .file("two-pa.yaml", CONFLICT)
            .file("three.yaml", "kind: Broken")
            .end()
    };
    run("*-pa.yaml").status(1).stdout(&[LOOKED_AT, "MTLS101"]);
    run("*-none.yaml").status(3).stderr(&["cannot read `*-none.yaml`: No such file or directory"]);
}

#[test]
fn an_address_is_not_fetched() {
    mtls(&["check", "-f", "https://example.com/mesh.yaml"]).end().status(3).no_stdout().stderr(&[
        "cannot read `https://example.com/mesh.yaml`: nothing is fetched; give what it holds: `curl -fsS ADDRESS | kubectl mtls check -f -`",
    ]);
}
