//! Scenarios of namespace deletion.

use orch_controllers::namespace::NamespaceController;
use orch_core::{Key, Subresource, Verb, Write, kind};
use serde_json::{Value, json};

use crate::lane::{Decide, Make};
use crate::laws::same;
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

fn controller() -> Box<dyn Decide> {
    Box::new(NamespaceController::default())
}

fn object(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}})
}

fn pod(name: &str) -> Value {
    let mut pod = object("Pod", name);
    pod["spec"] = json!({"containers": [{"name": "c", "image": "i"}]});
    pod
}

fn key() -> Key {
    Key::cluster(kind::NAMESPACES, "shop")
}

/// Only what stands in the namespace is deleted, pods before the rest; it is let go when nothing is left.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    if transition.actor != "namespace-controller" {
        return Ok(());
    }
    let write = transition.write;
    let left = |of: &dyn Fn(&Key) -> bool| {
        transition.before.0.keys().filter(|key| &*key.namespace == "shop" && of(key)).count()
    };
    match &write.verb {
        Verb::Delete(_) if &*write.key.namespace != "shop" => Err("another namespace's".to_owned()),
        Verb::Delete(_) if write.key.kind != kind::PODS => {
            same("pods left", left(&|key| key.kind == kind::PODS), 0)
        }
        Verb::Update(_) if write.subresource == Subresource::Finalize => {
            same("objects left", left(&|_| true), 0)
        }
        _ => Ok(()),
    }
}

fn settled(truth: &Truth) -> Result<(), String> {
    same("namespace", truth.0.contains_key(&key()), false)?;
    same("content", truth.0.keys().filter(|key| &*key.namespace == "shop").count(), 0)?;
    same("others", truth.0.contains_key(&Key::new(kind::CONFIG_MAPS, "default", "stays")), true)
}

fn emptied() -> Scenario {
    let mut held = object("Secret", "held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let mut stays = object("ConfigMap", "stays");
    stays["metadata"] = json!({"name": "stays", "namespace": "default", "labels": {"bystander": "true"}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let objects = vec![
        namespace,
        stays,
        pod("a"),
        pod("b"),
        object("ConfigMap", "c"),
        object("ServiceAccount", "d"),
        held,
    ];
    let late = Write::create_tree(kind::CONFIG_MAPS, object("ConfigMap", "late"));
    let free =
        Write::merge(Key::new(kind::SECRETS, "shop", "held"), json!({"metadata": {"finalizers": null}}));
    let edits = vec![User::Write(late), User::Write(Write::delete(key())), User::Write(free)];
    let controllers: Vec<(Make, &'static [Allowed])> = vec![(controller, &[Allowed::Anything])];
    Scenario { objects, edits, controllers, acts: &[], law, settled, remembers: false }
}

scenario! {
    /// Everything in it goes, nothing else.
    a_namespace_is_emptied_before_it_goes = emptied();
}
