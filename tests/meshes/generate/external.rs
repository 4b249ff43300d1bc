//! Services of type `ExternalName`: of Services of the mesh, of ServiceEntries to come, of the world, of one another.

use serde_json::json;

use crate::meshes::generate::places::{Server, World, time};
use crate::meshes::generate::random::Random;

pub(super) fn add(world: &mut World, random: &Random) {
    if !random.percent(16) {
        return;
    }
    for _ in 0..random.pick(&[1, 1, 2]) {
        let to = random.pick(&world.services);
        let namespace = random.pick(&[to.namespace.clone(), random.pick(&world.apps)]);
        let outside = ["ext.example.com".to_owned(), "vm.mesh.internal".to_owned(), "nowhere.example.com".to_owned()];
        let target = if random.percent(70) { to.host.clone() } else { random.pick(&outside) };
        let name = world.name(random, "Service", &namespace, &["ext", "alias", "old"]);
        let number =
            to.ports.first().filter(|_| random.percent(75)).map_or_else(|| random.pick(&[80, 9000]), |port| port.1);
        let port_name = random.pick(&["http", "tcp", "data"]);
        let meta = json!({"name": name, "namespace": namespace, "creationTimestamp": time(random)});
        let ports = json!([{"name": port_name, "port": number}]);
        let spec = json!({"type": "ExternalName", "externalName": target, "ports": ports});
        world.workloads.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}));
        let host = format!("{name}.{namespace}.svc.cluster.local");
        let ports = vec![(port_name.to_owned(), number)];
        world.services.push(Server { namespace, name, host, ports, kubernetes: true });
    }
}
