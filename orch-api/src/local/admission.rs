//! Admission as a default cluster has it: what depends on other objects, or changes objects for policy's sake.
//!
//! NamespaceLifecycle, LimitRanger, ServiceAccount where it is asked for, Priority, DefaultTolerationSeconds,
//! DefaultStorageClass, DefaultIngressClass, TaintNodesByCondition, RuntimeClass (`runtime_class.rs`), ResourceQuota
//! (`quota.rs`), PodResizeValidator (`resize.rs`) (`plugin/pkg/admission`,
//! `apiserver/pkg/admission/plugin/namespace/lifecycle`). No web hooks.

use orch_core::{Error, Key, Result, Revision, User, kind};
use serde_json::{Value, json};

use super::batch::Of;
use super::facts::{Facts, NamespaceState, PREEMPT};
use crate::conform::malformed;
use crate::tree::{Get, Set, Tree};

/// Namespaces that are never deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

impl Of<'_> {
    /// Things are created only in namespaces that are there and stay. Answers the namespace and its revision: it may go before
    /// the object is there.
    pub(super) async fn admit_namespace(&self, facts: &mut Facts<'_>) -> Result<Option<(Key, Revision)>> {
        if !self.info.is_namespaced() {
            return Ok(None);
        }
        let namespace = &self.write.key.namespace;
        if namespace.is_empty() {
            return Err(malformed(&self.info, "an empty namespace may not be set during creation"));
        }
        let key = Key::cluster(kind::NAMESPACES, namespace.clone());
        let (state, revision) = facts.namespace(namespace).await?;
        match state {
            NamespaceState::Active => Ok(Some((key, revision))),
            NamespaceState::Absent => Err(Error::NotFound { key }),
            NamespaceState::Terminating => Err(self.forbidden(terminating(namespace))),
        }
    }

    /// Before a namespace is deleted.
    pub(super) fn admit_delete(&self) -> Result<()> {
        if self.info.kind == kind::NAMESPACES && IMMORTAL.contains(&&*self.write.key.name) {
            return Err(self.forbidden("this namespace may not be deleted"));
        }
        Ok(())
    }

    /// Before an object is created.
    pub(super) async fn admit_create(&self, tree: &mut Tree, facts: &mut Facts<'_>) -> Result<()> {
        match self.info.kind {
            kind if kind == kind::PODS => {
                if self.api.shared.has_accounts {
                    self.account(tree, facts).await?;
                }
                self.limit(tree, facts).await?;
                let spec = tree.make("spec");
                self.priority(spec, facts).await?;
                self.admit_change(tree);
                self.runtime_class(tree.make("spec"), facts).await?;
            }
            kind if kind == kind::NODES => not_ready(tree.make("spec")),
            kind if kind == kind::PRIORITY_CLASSES => self.one_default(tree, facts).await?,
            kind if kind == kind::CERTIFICATE_SIGNING_REQUESTS => {
                sign_for(tree.make("spec"), &self.api.user);
            }
            kind if kind == kind::PERSISTENT_VOLUME_CLAIMS => {
                self.limit(tree, facts).await?;
                let annotation = "volume.beta.kubernetes.io/storage-class";
                if let Some(spec) = spec_without_class(tree, annotation, "storageClassName")
                    && let Some(class) = facts.default_storage_class().await?
                {
                    spec.put("storageClassName", &*class);
                }
            }
            kind if kind == kind::INGRESSES => {
                let annotation = "kubernetes.io/ingress.class";
                if let Some(spec) = spec_without_class(tree, annotation, "ingressClassName")
                    && let Some(class) = facts.default_ingress_class().await?
                {
                    spec.put("ingressClassName", &*class);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Before an object is created or changed.
    pub(super) fn admit_change(&self, tree: &mut Tree) {
        if self.info.kind == kind::PODS {
            tolerate(tree.make("spec"), self.api.shared.toleration_secs);
        }
    }

    async fn priority(&self, spec: &mut Tree, facts: &mut Facts<'_>) -> Result<()> {
        let name = spec.text("priorityClassName");
        let class = if name.is_empty() {
            facts.default_priority().await?
        } else {
            let class = facts.priority_class(name).await?;
            Some(
                class
                    .ok_or_else(|| self.forbidden(format!("no PriorityClass with name {name} was found")))?,
            )
        };
        if let Some(class) = class.as_ref().filter(|_| name.is_empty()) {
            spec.put("priorityClassName", &*class.name);
        }
        let (value, preemption) =
            class.map_or((0, PREEMPT.to_owned()), |class| (class.value, class.preemption));
        if let Some(given) = spec.number("priority").filter(|given| *given != value) {
            return Err(self.forbidden(format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
                 computed {value} from the given PriorityClass name"
            )));
        }
        let given = spec.text("preemptionPolicy");
        if !given.is_empty() && given != preemption {
            return Err(self.forbidden(format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
                 controller computed {preemption} from the given PriorityClass name"
            )));
        }
        spec.put("priority", value);
        spec.put("preemptionPolicy", preemption);
        Ok(())
    }

    /// There is one global default at most.
    async fn one_default(&self, tree: &Tree, facts: &mut Facts<'_>) -> Result<()> {
        if tree.at("globalDefault") != Some(&Value::Bool(true)) {
            return Ok(());
        }
        match facts.default_priority().await? {
            Some(other) if *other.name != *tree["metadata"].text("name") => Err(self.forbidden(format!(
                "PriorityClass {} is already marked as default. Only one default can exist",
                other.name
            ))),
            _ => Ok(()),
        }
    }
}

/// The spec of an object that names its class neither there nor by an annotation.
fn spec_without_class<'t>(tree: &'t mut Tree, annotation: &str, field: &str) -> Option<&'t mut Tree> {
    let is_annotated =
        tree["metadata"].object_at("annotations").is_some_and(|all| all.contains_key(annotation));
    let spec = tree.make("spec");
    (!is_annotated && spec.at(field).is_none()).then_some(spec)
}

/// A certificate is asked for by whoever asks (`pkg/registry/certificates/certificates/strategy.go`).
fn sign_for(spec: &mut Tree, user: &User) {
    for field in ["username", "uid", "groups", "extra"] {
        spec.remove(field);
    }
    spec.put("username", &*user.name);
    if !user.uid.is_empty() {
        spec.put("uid", &*user.uid);
    }
    if !user.groups.is_empty() {
        spec.put("groups", json!(user.groups));
    }
    if !user.extra.is_empty() {
        spec.put("extra", json!(user.extra));
    }
}

/// Why nothing is created in a namespace that is going.
pub(crate) fn terminating(namespace: &str) -> String {
    format!("unable to create new content in namespace {namespace} because it is being terminated")
}

/// A new node takes no pods until it says that it is ready.
fn not_ready(spec: &mut Tree) {
    const KEY: &str = "node.kubernetes.io/not-ready";
    let is_tainted = |taint: &Value| taint.text("key") == KEY && taint.text("effect") == "NoSchedule";
    if !spec.list("taints").iter().any(is_tainted) {
        spec.make_list("taints").push(json!({"key": KEY, "effect": "NoSchedule"}));
    }
}

/// A pod leaves a node that is not ready or not reachable after a while, unless it says otherwise.
fn tolerate(spec: &mut Tree, secs: i64) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Value| {
            matches!(toleration.text("key"), k if k == key || k.is_empty())
                && matches!(toleration.text("effect"), "NoExecute" | "")
        };
        if !spec.list("tolerations").iter().any(covers) {
            let toleration =
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": secs});
            spec.make_list("tolerations").push(toleration);
        }
    }
}
