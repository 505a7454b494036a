//! An operator for a kind of your own: a `Greeting` makes a ConfigMap that says it.
//!
//! ```text
//! cargo run --release --example custom_controller
//! ```
//!
//! You will see the ConfigMap appear, follow its object, and go with it, by the garbage collector of any cluster.
#![expect(clippy::print_stdout, reason = "an example speaks to a person")]

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use orch::Cluster;
use orch::core::controller::{Controller, Note, Plan};
use orch::core::view::{Needs, Projection, View};
use orch::core::{Change, Key, Kind, KindInfo, Live, Scope, Str, Write, kind};
use serde_json::json;

fn greetings() -> Kind {
    Kind::named("bakery.example", "greetings")
}

/// What the operator needs to know of a Greeting: its words.
struct GreetingFacts(String);

impl Projection for GreetingFacts {
    fn kind() -> Option<Kind> {
        Some(greetings())
    }

    fn project(object: &Live) -> Self {
        Self(object.tree()["spec"]["words"].as_str().unwrap_or_default().to_owned())
    }
}

/// What it needs to know of a ConfigMap.
struct Said(String);

impl Projection for Said {
    fn kind() -> Option<Kind> {
        Some(kind::CONFIG_MAPS)
    }

    fn project(object: &Live) -> Self {
        Self(object.tree()["data"]["words"].as_str().unwrap_or_default().to_owned())
    }
}

struct Greeter;

/// Everything that the decision depends on.
struct Observed {
    greeting: Key,
    uid: Str,
    wanted: String,
    said: Option<String>,
}

impl Controller for Greeter {
    type Observed = Observed;

    fn name(&self) -> &str {
        "greeter"
    }

    fn needs(&self) -> Needs {
        Needs::new().of::<GreetingFacts>().of::<Said>()
    }

    fn keys(&self, change: &Change, _: &dyn View, out: &mut dyn FnMut(Key)) {
        // A Greeting and its ConfigMap have the same name.
        out(change.key().sibling(greetings(), change.key().name.clone()));
    }

    fn observe(&self, key: &Key, _: Timestamp, view: &dyn View) -> Option<Observed> {
        let greeting = view.of::<GreetingFacts>().get(key)?;
        let said = view.of::<Said>().get(&key.sibling(kind::CONFIG_MAPS, key.name.clone()));
        let (wanted, said) = (greeting.facts.0.clone(), said.map(|row| row.facts.0.clone()));
        Some(Observed { greeting: key.clone(), uid: greeting.object.uid().clone(), wanted, said })
    }

    fn plan(&self, observed: &Observed) -> Plan {
        let Observed { greeting, uid, wanted, said } = observed;
        let map = greeting.sibling(kind::CONFIG_MAPS, greeting.name.clone());
        let owner = json!({"apiVersion": "bakery.example/v1", "kind": "Greeting", "name": &*greeting.name, "uid": &**uid,
            "controller": true});
        match said {
            Some(said) if said == wanted => Plan::new(),
            Some(_) => Plan::new().write(Write::merge(map, json!({"data": {"words": wanted}}))),
            None => Plan::new()
                .write(Write::create(map, json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"words": wanted},
                    "metadata": {"name": &*greeting.name, "namespace": &*greeting.namespace, "ownerReferences": [owner]}})))
                .note(Note::normal(greeting, uid, "Said", "created the ConfigMap").after(0)),
        }
    }
}

const GREETING: &str = "
{apiVersion: bakery.example/v1, kind: Greeting, metadata: {name: hello, namespace: default}, spec: {words: WORDS}}";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let kind = KindInfo::new(greetings(), "v1", "Greeting", Scope::Namespaced);
    let cluster = Cluster::builder().kind(kind).controller(Greeter).start().await?;
    let said = |map: &ConfigMap, words| map.data.iter().flatten().any(|(_, said)| said == words);
    for words in ["good morning", "good night"] {
        cluster.apply(&GREETING.replace("WORDS", words)).await?;
        let says = |maps: &[ConfigMap]| maps.iter().any(|map| said(map, words));
        cluster.wait_for("default", Duration::from_secs(10), says).await?;
        println!("the ConfigMap says {words:?}");
    }
    println!("the greeting follows its object");
    cluster.of_kind::<serde_json::Value>(greetings(), "default").delete("hello").await?;
    cluster.wait_for("default", Duration::from_secs(10), |maps: &[ConfigMap]| maps.is_empty()).await?;
    println!("and goes with it");
    Ok(cluster.shutdown().await?)
}
