//! Role-based access control: who may do what, by the roles and bindings in the cluster
//! (`plugin/pkg/auth/authorizer/rbac/rbac.go`, `pkg/registry/rbac/validation/rule.go`).
//!
//! What the roles for discovery and health allow everybody is [`Masters`]' to say and holds here too, whatever becomes of
//! those roles. Invariant: roles only add; what cannot be read allows nothing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use orch_core::{Api, Error, Key, Kind, Revision, Select, User, kind};
use serde_json::Value;

use super::access::{Attributes, Authorizer, Decision, Masters, is_master};
use crate::tree::Get;

/// An [`Authorizer`] by roles. It reads them at each request that is not an administrator's, so that a change counts at
/// once: the cost is that of a list of the bindings.
///
/// ```
/// use std::sync::Arc;
/// use orch_api::LocalApi;
/// use orch_api::rest::{Attributes, Authorizer, Decision, Rbac};
/// use orch_core::{ApiExt, Registry, User};
/// use orch_store::MemStore;
/// use serde_json::json;
/// # orch_core::sim::run(1, |env| async move {
/// let registry = Arc::new(Registry::built_in());
/// let api = LocalApi::builder(Arc::new(MemStore::new(registry.clone())), env, registry).build();
/// api.bootstrap().await.unwrap();
/// let group = "rbac.authorization.k8s.io";
/// api.create(json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "r", "namespace": "default"},
///     "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]})).await.unwrap();
/// api.create(json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "default"},
///     "subjects": [{"kind": "User", "name": "jane", "apiGroup": group}],
///     "roleRef": {"kind": "Role", "name": "r", "apiGroup": group}})).await.unwrap();
/// let rbac = Rbac::new(Arc::new(api));
/// let pods = |verb| Attributes::resource(verb, "", "v1", "pods").namespace("default");
/// assert_eq!(rbac.authorize(&User::new("jane"), &pods("list")).await, Decision::Allow);
/// assert_ne!(rbac.authorize(&User::new("jane"), &pods("delete")).await, Decision::Allow);
/// # });
/// ```
#[derive(Clone)]
pub struct Rbac {
    api: Arc<dyn Api>,
}

impl Rbac {
    /// Roles are read through an Api.
    #[must_use]
    pub fn new(api: Arc<dyn Api>) -> Self {
        Self { api }
    }

    /// Makes the roles and bindings that every cluster has, unless they are there: `cluster-admin`, `admin`, `edit`, `view`,
    /// and those of Kubernetes' own components but its controllers.
    ///
    /// # Errors
    /// What the Api says; some may be there then.
    pub async fn bootstrap(&self) -> orch_core::Result<()> {
        super::roles::make(&*self.api).await
    }

    /// The rules that bindings of that kind give the user, and which binding gives them.
    async fn given(&self, bindings: Kind, user: &User, namespace: &str) -> Result<Vec<Given>, Error> {
        let is_cluster_wide = bindings == kind::CLUSTER_ROLE_BINDINGS;
        let select = Select::kind(bindings);
        let select = if is_cluster_wide { select } else { select.namespace(namespace) };
        let mut given = Vec::new();
        for object in self.api.list(&select, None, 0).await?.items {
            let binding = object.body_tree();
            let namespace = &*object.key().namespace;
            let Some(subject) = binding.list("subjects").iter().position(|one| is(user, one, namespace))
            else {
                continue;
            };
            let reference = binding.at("roleRef").cloned().unwrap_or_default();
            let role = match reference.text("kind") {
                "ClusterRole" => Key::cluster(kind::CLUSTER_ROLES, reference.text("name")),
                "Role" if !is_cluster_wide => Key::new(kind::ROLES, namespace, reference.text("name")),
                _ => continue,
            };
            match self.api.get(&role, Revision::ZERO).await {
                Ok(role) => {
                    let rules = role.tree().list("rules").to_vec();
                    given.push(Given { binding, subject, rules });
                }
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(given)
    }

    async fn held(&self, user: &User, namespace: &str) -> Result<Vec<Given>, Error> {
        let mut given = self.given(kind::CLUSTER_ROLE_BINDINGS, user, namespace).await?;
        if !namespace.is_empty() {
            given.extend(self.given(kind::ROLE_BINDINGS, user, namespace).await?);
        }
        Ok(given)
    }
}

/// What a binding gives a user.
struct Given {
    binding: Value,
    /// Which of the binding's subjects the user is.
    subject: usize,
    rules: Vec<Value>,
}

impl Given {
    fn covers(&self, what: &Attributes) -> bool {
        self.rules.iter().any(|rule| covers(rule, what))
    }
}

impl fmt::Display for Given {
    /// As upstream describes it (`pkg/registry/rbac/validation/rule.go`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = self.binding.at("metadata").cloned().unwrap_or_default();
        let (name, namespace) = (metadata.text("name"), metadata.text("namespace"));
        let (kind, name) = match namespace {
            "" => ("ClusterRoleBinding", name.to_owned()),
            namespace => ("RoleBinding", format!("{name}/{namespace}")),
        };
        let (role, subject) = (&self.binding["roleRef"], &self.binding["subjects"][self.subject]);
        let who = match subject.text("kind") {
            "ServiceAccount" => {
                let own = subject.text("namespace");
                format!("{}/{}", subject.text("name"), if own.is_empty() { namespace } else { own })
            }
            _ => subject.text("name").to_owned(),
        };
        write!(
            f,
            "{kind} {name:?} of {} {:?} to {} {who:?}",
            role.text("kind"),
            role.text("name"),
            subject.text("kind"),
        )
    }
}

#[async_trait]
impl Authorizer for Rbac {
    async fn authorize(&self, user: &User, what: &Attributes) -> Decision {
        if Masters.authorize(user, what).await == Decision::Allow {
            return Decision::Allow;
        }
        match self.held(user, &what.namespace).await {
            Ok(given) if given.iter().any(|given| given.covers(what)) => Decision::Allow,
            Ok(_) => Decision::NoOpinion { why: String::new() },
            Err(error) => {
                tracing::warn!(%error, "roles could not be read");
                Decision::NoOpinion { why: format!("RBAC: {error}") }
            }
        }
    }

    async fn reason(&self, user: &User, what: &Attributes) -> String {
        let is_free = is_master(user) || what.resource.is_empty() && ALWAYS.contains(&&*what.path);
        let given =
            if is_free { Vec::new() } else { self.held(user, &what.namespace).await.unwrap_or_default() };
        let by = given.iter().find(|given| given.covers(what));
        by.map_or_else(String::new, |by| format!("RBAC: allowed by {by}"))
    }

    async fn rules(&self, user: &User, namespace: &str) -> Vec<Value> {
        let given = self.held(user, namespace).await.unwrap_or_default();
        given.into_iter().flat_map(|given| given.rules).collect()
    }
}

/// Paths that are allowed whatever the roles say (`--authorization-always-allow-paths`).
const ALWAYS: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// Whether a subject of a binding means the user.
fn is(user: &User, subject: &Value, namespace: &str) -> bool {
    let name = subject.text("name");
    match subject.text("kind") {
        "User" => &*user.name == name,
        "Group" => user.groups.iter().any(|group| &**group == name),
        "ServiceAccount" => {
            let own = subject.text("namespace");
            let namespace = if own.is_empty() { namespace } else { own };
            !namespace.is_empty() && *user.name == *format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

/// Whether a rule allows it.
fn covers(rule: &Value, what: &Attributes) -> bool {
    let has = |field: &str, wanted: &str| {
        rule.list(field).iter().filter_map(Value::as_str).any(|value| value == "*" || value == wanted)
    };
    if !has("verbs", &what.verb) {
        return false;
    }
    if what.resource.is_empty() {
        let mut paths = rule.list("nonResourceURLs").iter().filter_map(Value::as_str);
        return paths.any(|path| match path.strip_suffix('*') {
            Some(start) => what.path.starts_with(start),
            None => path == &*what.path,
        });
    }
    let names = rule.list("resourceNames");
    let is_named = names.is_empty() || names.iter().any(|name| name.as_str() == Some(&*what.name));
    is_named && has("apiGroups", &what.group) && covers_resource(rule, what)
}

fn covers_resource(rule: &Value, what: &Attributes) -> bool {
    let mut resources = rule.list("resources").iter().filter_map(Value::as_str);
    resources.any(|resource| match (resource.split_once('/'), &*what.subresource) {
        _ if resource == "*" => true,
        (None, "") => resource == &*what.resource,
        (Some((whole, part)), wanted) => part == wanted && (whole == "*" || whole == &*what.resource),
        (None, _) => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(resource: &str) -> Attributes {
        Attributes::resource("get", "apps", "v1", resource).namespace("shop")
    }

    #[test]
    fn a_rule_covers_what_it_names_and_nothing_else() {
        let rule = |groups: &str, resources: &str, verbs: &str, names: &[&str]| json!({"apiGroups": [groups], "resources": [resources], "verbs": [verbs], "resourceNames": names});
        for (rule, what, expected) in [
            (rule("apps", "deployments", "get", &[]), get("deployments"), true),
            (rule("*", "*", "*", &[]), get("deployments").subresource("scale"), true),
            (rule("apps", "deployments", "list", &[]), get("deployments"), false),
            (rule("", "deployments", "get", &[]), get("deployments"), false),
            (rule("apps", "deployments", "get", &[]), get("deployments").subresource("scale"), false),
            (rule("apps", "deployments/scale", "get", &[]), get("deployments").subresource("scale"), true),
            (rule("apps", "*/scale", "get", &[]), get("deployments").subresource("scale"), true),
            (rule("apps", "*/scale", "get", &[]), get("deployments"), false),
            (rule("apps", "deployments", "get", &["a"]), get("deployments").name("a"), true),
            (rule("apps", "deployments", "get", &["a"]), get("deployments").name("b"), false),
            (rule("apps", "deployments", "get", &["a"]), get("deployments"), false),
            (
                json!({"verbs": ["get"], "nonResourceURLs": ["/metrics"]}),
                Attributes::path("get", "/metrics"),
                true,
            ),
            (
                json!({"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}),
                Attributes::path("get", "/logs/x"),
                true,
            ),
            (
                json!({"verbs": ["get"], "nonResourceURLs": ["/logs"]}),
                Attributes::path("get", "/logs/x"),
                false,
            ),
            (json!({"verbs": 7, "resources": "x"}), get("deployments"), false),
        ] {
            assert_eq!(covers(&rule, &what), expected, "{rule} {what}");
        }
    }

    #[test]
    fn a_subject_is_a_user_a_group_or_a_service_account() {
        let mut user = User::new("system:serviceaccount:shop:web");
        user.groups = vec!["team".into()];
        for (subject, namespace, expected) in [
            (json!({"kind": "User", "name": "system:serviceaccount:shop:web"}), "", true),
            (json!({"kind": "User", "name": "team"}), "", false),
            (json!({"kind": "Group", "name": "team"}), "", true),
            (json!({"kind": "ServiceAccount", "name": "web", "namespace": "shop"}), "", true),
            (json!({"kind": "ServiceAccount", "name": "web"}), "shop", true),
            (json!({"kind": "ServiceAccount", "name": "web"}), "", false),
            (json!({"kind": "Nobody", "name": "team"}), "", false),
        ] {
            assert_eq!(is(&user, &subject, namespace), expected, "{subject}");
        }
    }
}
