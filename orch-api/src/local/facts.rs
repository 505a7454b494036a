//! What admission must know of other objects, read at most once a round.
//!
//! Invariant: a fact is not older than the round that uses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::{Error, Key, Kind, KindInfo, Live, Object, Result, Revision, Select, Str, kind};
use serde_json::Value;

use super::LocalApi;
use crate::strategy::Strategy;
use crate::tree::Get;

/// Whether things can be created in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamespaceState {
    Absent,
    Active,
    Terminating,
}

/// What a class of priority says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PriorityClass {
    pub(super) name: Str,
    pub(super) value: i64,
    pub(super) preemption: String,
}

/// What was found when something was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// An object at that revision; zero: it was absent.
    Object(Key, Revision),
    /// The LimitRanges of a namespace.
    LimitRanges(Str, States),
    /// The classes of priority.
    PriorityClasses(States),
}

/// Objects and their revisions.
type States = Arc<[(Key, Revision)]>;

fn states(items: &[Object]) -> States {
    items.iter().map(|object| (object.key().clone(), object.revision())).collect()
}

pub(super) struct Facts<'a> {
    api: &'a LocalApi,
    /// What is read, or was, for who asked for it.
    recorded: Option<Vec<Fact>>,
    namespaces: BTreeMap<Str, (NamespaceState, Revision)>,
    priority_classes: Option<(Vec<Object>, States)>,
    default_priority: Option<Option<PriorityClass>>,
    limits: BTreeMap<Str, (Arc<Vec<Value>>, States)>,
    kind: Option<(Arc<KindInfo>, Strategy)>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(api: &'a LocalApi) -> Self {
        Self {
            api,
            recorded: None,
            namespaces: BTreeMap::new(),
            priority_classes: None,
            default_priority: None,
            limits: BTreeMap::new(),
            kind: None,
        }
    }

    /// From here on what is found is recorded, but for namespaces.
    pub(super) fn record(&mut self) {
        self.recorded = Some(Vec::new());
    }

    /// What was found since.
    pub(super) fn recorded(&mut self) -> Vec<Fact> {
        self.recorded.take().unwrap_or_default()
    }

    fn found(&mut self, fact: impl FnOnce() -> Fact) {
        if let Some(recorded) = &mut self.recorded {
            recorded.push(fact());
        }
    }

    /// Whether facts are as they were.
    pub(super) async fn hold(&mut self, facts: &[Fact]) -> Result<bool> {
        self.record();
        let looked = self.look_again(facts).await;
        let found = self.recorded();
        looked?;
        Ok(found == facts)
    }

    async fn look_again(&mut self, facts: &[Fact]) -> Result<()> {
        for fact in facts {
            match fact {
                Fact::Object(key, _) => drop(self.find(key).await?),
                Fact::LimitRanges(namespace, _) => drop(self.limit_ranges(namespace).await?),
                Fact::PriorityClasses(_) => drop(self.priority_classes().await?),
            }
        }
        Ok(())
    }

    /// What is known of a kind; the writes of a batch are mostly of one.
    pub(super) fn kind(&mut self, key: &Key) -> Result<(Arc<KindInfo>, Strategy)> {
        if let Some((info, strategy)) = &self.kind
            && info.kind == key.kind
        {
            return Ok((Arc::clone(info), *strategy));
        }
        let info = self.api.info(key)?;
        let strategy = Strategy::of(&info);
        self.kind = Some((Arc::clone(&info), strategy));
        Ok((info, strategy))
    }

    /// An object, if it is there.
    pub(super) async fn find(&mut self, key: &Key) -> Result<Option<Live>> {
        let found = self.stored(key).await?;
        self.found(|| Fact::Object(key.clone(), revision(found.as_ref())));
        Ok(found)
    }

    async fn stored(&self, key: &Key) -> Result<Option<Live>> {
        match self.api.shared.store.get(key, Revision::ZERO).await {
            Ok(live) => Ok(Some(live)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The state of a namespace, and the revision at which it has it.
    pub(super) async fn namespace(&mut self, name: &Str) -> Result<(NamespaceState, Revision)> {
        if let Some(state) = self.namespaces.get(name) {
            return Ok(*state);
        }
        let live = self.stored(&Key::cluster(kind::NAMESPACES, name.clone())).await?;
        let revision = revision(live.as_ref());
        let state = match live {
            None => NamespaceState::Absent,
            Some(live) if live.header().is_terminating() => NamespaceState::Terminating,
            Some(live) if live.field("status.phase") == Some("Terminating") => NamespaceState::Terminating,
            Some(_) => NamespaceState::Active,
        };
        self.namespaces.insert(name.clone(), (state, revision));
        Ok((state, revision))
    }

    /// The LimitRanges of a namespace.
    pub(super) async fn limit_ranges(&mut self, namespace: &Str) -> Result<Arc<Vec<Value>>> {
        let (ranges, states) = match self.limits.get(namespace) {
            Some(known) => known.clone(),
            None => {
                let select = Select::kind(kind::LIMIT_RANGES).namespace(namespace.clone());
                let page = self.api.shared.store.list(&select, None, 0).await?;
                let ranges = Arc::new(page.items.iter().map(Object::body_tree).collect::<Vec<_>>());
                let known = (ranges, states(&page.items));
                self.limits.insert(namespace.clone(), known.clone());
                known
            }
        };
        self.found(|| Fact::LimitRanges(namespace.clone(), states));
        Ok(ranges)
    }

    /// A class of priority; the two of the system are known without being stored.
    pub(super) async fn priority_class(&mut self, name: &str) -> Result<Option<PriorityClass>> {
        let stored = self.find(&Key::cluster(kind::PRIORITY_CLASSES, name)).await?;
        let built_in = super::bootstrap::SYSTEM_CLASSES.iter().find(|(class, _, _)| *class == name);
        Ok(match (stored, built_in) {
            (Some(live), _) => Some(class(name.into(), &live.tree())),
            (None, Some((class, value, _))) => {
                Some(PriorityClass { name: (*class).into(), value: *value, preemption: PREEMPT.to_owned() })
            }
            (None, None) => None,
        })
    }

    async fn priority_classes(&mut self) -> Result<&[Object]> {
        if self.priority_classes.is_none() {
            let select = Select::kind(kind::PRIORITY_CLASSES);
            let items = self.api.shared.store.list(&select, None, 0).await?.items;
            let states = states(&items);
            self.priority_classes = Some((items, states));
        }
        let (items, states) = self.priority_classes.as_ref().expect("it was read just now");
        if let Some(recorded) = &mut self.recorded {
            recorded.push(Fact::PriorityClasses(Arc::clone(states)));
        }
        Ok(items)
    }

    /// The class of pods that name none: the global default with the lowest value
    /// (`plugin/pkg/admission/priority/admission.go`).
    pub(super) async fn default_priority(&mut self) -> Result<Option<PriorityClass>> {
        let known = self.default_priority.clone();
        let items = self.priority_classes().await?;
        let default = known.unwrap_or_else(|| default_of(items));
        self.default_priority = Some(default.clone());
        Ok(default)
    }

    /// The name of the class of claims that name none
    /// (`plugin/pkg/admission/storage/storageclass/setdefault/admission.go`).
    pub(super) async fn default_storage_class(&self) -> Result<Option<Str>> {
        let marks = [
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class",
        ];
        self.newest_marked(kind::STORAGE_CLASSES, &marks).await
    }

    /// The name of the class of ingresses that name none (`plugin/pkg/admission/network/defaultingressclass/admission.go`).
    pub(super) async fn default_ingress_class(&self) -> Result<Option<Str>> {
        self.newest_marked(kind::INGRESS_CLASSES, &["ingressclass.kubernetes.io/is-default-class"]).await
    }

    /// The name of the newest object that an annotation marks as the default.
    async fn newest_marked(&self, kind: Kind, marks: &[&str]) -> Result<Option<Str>> {
        let page = self.api.shared.store.list(&Select::kind(kind), None, 0).await?;
        let is_default = |tree: &Value| {
            let annotations =
                tree.object_at("metadata").and_then(|metadata| metadata.object_at("annotations"));
            annotations.is_some_and(|annotations| marks.iter().any(|name| annotations.text(name) == "true"))
        };
        let defaults = page.items.iter().filter(|object| is_default(&object.body_tree()));
        // Listed in order of name: of two of the same age the first wins.
        let newest = defaults.reduce(|a, b| if b.header().created > a.header().created { b } else { a });
        Ok(newest.map(|object| object.key().name.clone()))
    }
}

/// The global default with the lowest value.
fn default_of(classes: &[Object]) -> Option<PriorityClass> {
    let mut default: Option<PriorityClass> = None;
    for object in classes {
        // Nearly all classes are no default: look before decoding.
        let text = std::str::from_utf8(object.body()).unwrap_or_default();
        if !text.contains(r#""globalDefault":true"#) {
            continue;
        }
        let class = class(object.key().name.clone(), &object.body_tree());
        if default.as_ref().is_none_or(|default| class.value < default.value) {
            default = Some(class);
        }
    }
    default
}

fn revision(found: Option<&Live>) -> Revision {
    found.map_or(Revision::ZERO, |live| live.revision())
}

pub(super) const PREEMPT: &str = "PreemptLowerPriority";

fn class(name: Str, tree: &Value) -> PriorityClass {
    let preemption = match tree.text("preemptionPolicy") {
        "" => PREEMPT,
        policy => policy,
    };
    PriorityClass { name, value: tree.number("value").unwrap_or_default(), preemption: preemption.to_owned() }
}
