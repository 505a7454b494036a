//! Who asks, and whether they may: the seam for authorizers, and the one that a server has without further words.
//!
//! After `apiserver/pkg/authorization/authorizer/interfaces.go`, `endpoints/filters/{authorization,impersonation}.go`.
//! Invariant: a request that no authorizer allows reaches no object.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use orch_core::{Api, Str, User, names};
use serde_json::Value;

use super::status::Status;
use super::target::percent_decoded;

/// The name of whoever shows no certificate.
pub const ANONYMOUS: &str = "system:anonymous";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const AUTHENTICATED: &str = "system:authenticated";
/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";

/// What a request does, as authorizers see it.
///
/// ```
/// use orch_api::rest::Attributes;
/// let list = Attributes::resource("list", "apps", "v1", "deployments").namespace("shop");
/// assert_eq!(list.to_string(), "list resource \"deployments\" in API group \"apps\" in the namespace \"shop\"");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, `impersonate`; of a path the
    /// HTTP method in lower case.
    pub verb: Str,
    /// Empty for the core group.
    pub group: Str,
    /// For example `v1`.
    pub version: Str,
    /// Plural; empty when it is about a path.
    pub resource: Str,
    /// Empty for the object itself.
    pub subresource: Str,
    /// Empty for the cluster and for all namespaces.
    pub namespace: Str,
    /// Empty for a collection.
    pub name: Str,
    /// The path, when it is about one.
    pub path: Str,
}

impl Attributes {
    /// What is done to a resource.
    #[must_use]
    pub fn resource(verb: &str, group: &str, version: &str, resource: &str) -> Self {
        let (verb, group) = (verb.into(), group.into());
        Self { verb, group, version: version.into(), resource: resource.into(), ..Self::default() }
    }

    /// What is done to a path that is no resource.
    #[must_use]
    pub fn path(verb: &str, path: &str) -> Self {
        Self { verb: verb.into(), path: path.into(), ..Self::default() }
    }

    /// In that namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// To the object of that name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// To that subresource.
    #[must_use]
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = subresource.into();
        self
    }
}

impl std::fmt::Display for Attributes {
    /// As refusals word it (`endpoints/handlers/responsewriters/errors.go`).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.resource.is_empty() {
            return write!(f, "{} path {:?}", self.verb, &*self.path);
        }
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        write!(
            f,
            "{} resource \"{}{slash}{}\" in API group {:?}",
            self.verb, self.resource, self.subresource, &*self.group
        )?;
        if self.namespace.is_empty() {
            f.write_str(" at the cluster scope")
        } else {
            write!(f, " in the namespace {:?}", &*self.namespace)
        }
    }
}

/// What an authorizer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Allow,
    /// This authorizer does not allow it; another may.
    NoOpinion {
        /// Why, when there is something to say.
        why: String,
    },
    /// It may not be done, whatever others say.
    Deny {
        /// Why.
        why: String,
    },
}

/// Decides who may do what: role-based access control, for example.
///
/// # To ensure correctness
/// The answer holds for the state of the cluster at some moment after the call. An authorizer that cannot find out says
/// [`Decision::NoOpinion`], never `Allow`.
#[async_trait]
pub trait Authorizer: Send + Sync + 'static {
    /// Whether `user` may do that. Dropping the future is safe.
    async fn authorize(&self, user: &User, what: &Attributes) -> Decision;

    /// Why it allows that to `user`, for whoever asks whether it does; empty when there is nothing to say. Dropping the future is
    /// safe.
    async fn reason(&self, user: &User, what: &Attributes) -> String {
        let _ = (user, what);
        String::new()
    }

    /// The rules, as roles have them, by which it allows things to `user` in a namespace: nobody who writes roles gives more
    /// than that. Those that it does not work by are none. Dropping the future is safe.
    async fn rules(&self, user: &User, namespace: &str) -> Vec<Value> {
        let _ = (user, namespace);
        Vec::new()
    }
}

/// Members of `system:masters` may do everything; everybody may ask for health and version; who is known may also discover
/// what is served and ask about itself, as the default roles have it (`system:public-info-viewer`, `system:discovery`,
/// `system:basic-user`). Nothing else.
///
/// ```
/// use orch_api::rest::{Attributes, Authorizer, Decision, Masters};
/// use orch_core::User;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (nobody, mut admin) = (User::new("system:anonymous"), User::new("admin"));
/// admin.groups = vec!["system:masters".into()];
/// let list = Attributes::resource("list", "", "v1", "secrets");
/// assert_eq!(Masters.authorize(&admin, &list).await, Decision::Allow);
/// assert_ne!(Masters.authorize(&nobody, &list).await, Decision::Allow);
/// assert_eq!(Masters.authorize(&nobody, &Attributes::path("get", "/healthz")).await, Decision::Allow);
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Masters;

#[async_trait]
impl Authorizer for Masters {
    async fn authorize(&self, user: &User, what: &Attributes) -> Decision {
        let is_in = |name: &str| user.groups.iter().any(|group| &**group == name);
        let reads = what.resource.is_empty() && matches!(&*what.verb, "get" | "head");
        let is_known = is_in(AUTHENTICATED);
        if is_in(MASTERS)
            || reads && is_public(&what.path)
            || is_known && (reads && is_discovery(&what.path) || is_about_oneself(what))
        {
            Decision::Allow
        } else {
            Decision::NoOpinion { why: String::new() }
        }
    }
}

/// What the role `system:public-info-viewer` shows to everybody.
fn is_public(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let below =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path == "/version" || ["/healthz", "/livez", "/readyz"].into_iter().any(below)
}

/// What the role `system:discovery` shows.
fn is_discovery(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    matches!(first, Some("api" | "apis" | "openapi"))
}

/// What the role `system:basic-user` allows.
fn is_about_oneself(what: &Attributes) -> bool {
    let of = (&*what.verb, &*what.group, &*what.resource);
    matches!(
        of,
        ("create", "authentication.k8s.io", "selfsubjectreviews")
            | ("create", "authorization.k8s.io", "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
    )
}

/// Who asks, and the Api that acts as them: made once for all requests of a connection.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) user: Arc<User>,
    pub(super) api: Arc<dyn Api>,
}

impl Caller {
    pub(super) fn new(user: User, api: &dyn Api) -> Self {
        let user = authenticated(user);
        Self { api: api.impersonate(&user), user: Arc::new(user) }
    }
}

/// Whether the user may do everything.
pub(super) fn is_master(user: &User) -> bool {
    user.groups.iter().any(|group| &**group == MASTERS)
}

/// Whoever shows no certificate.
pub(super) fn anonymous() -> User {
    let mut user = User::new(ANONYMOUS);
    user.groups = vec![UNAUTHENTICATED.into()];
    user
}

/// The user with the group that everybody known is in.
fn authenticated(mut user: User) -> User {
    let is_in = |name: &str| user.groups.iter().any(|group| &**group == name);
    if &*user.name != ANONYMOUS && !is_in(AUTHENTICATED) && !is_in(UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.into());
    }
    user
}

/// Asks an authorizer.
///
/// # Errors
/// 403.
pub(super) async fn check(authorizer: &dyn Authorizer, user: &User, what: &Attributes) -> Result<(), Status> {
    match authorizer.authorize(user, what).await {
        Decision::Allow => Ok(()),
        Decision::NoOpinion { why } | Decision::Deny { why } => {
            let colon = if why.is_empty() { "" } else { ": " };
            let why = format!("User {:?} cannot {what}{colon}{why}", &*user.name);
            Err(Status::forbidden(&what.resource, &what.group, &what.name, &why))
        }
    }
}

/// The values of a header. They are bytes, and names need not be ASCII.
///
/// # Errors
/// 400 for what is no text: were it left out, the request would act as somebody else.
fn texts(headers: &HeaderMap, name: &str) -> Result<Vec<String>, Status> {
    let text = |value: &HeaderValue| {
        let text = std::str::from_utf8(value.as_bytes()).map(str::to_owned);
        text.map_err(|_| Status::bad_request(format!("the header {name} is not UTF-8")))
    };
    headers.get_all(name).iter().map(text).collect()
}

/// What else is said of whom a request acts as: `Impersonate-Extra-<key>`.
///
/// # Errors
/// 400.
fn extra(headers: &HeaderMap) -> Result<Vec<(String, String)>, Status> {
    let mut all = Vec::new();
    for name in headers.keys() {
        let Some(key) = name.as_str().strip_prefix("impersonate-extra-") else { continue };
        // What cannot be decoded is the key itself.
        let key = percent_decoded(key).unwrap_or_else(|| key.to_owned());
        all.extend(texts(headers, name.as_str())?.into_iter().map(|value| (key.clone(), value)));
    }
    Ok(all)
}

/// Namespace and name of a service account that is a user (`serviceaccount.SplitUsername`).
fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let is_account = names::dns1123_label(namespace).is_ok() && names::dns1123_subdomain(name).is_ok();
    is_account.then_some((namespace, name))
}

const AUTHENTICATION: &str = "authentication.k8s.io";

/// Whether a request says that it acts as somebody else.
pub(super) fn is_impersonating(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("impersonate-"))
}

/// The user that a request acts as: `Impersonate-User`, `-Group`, `-Uid` and `-Extra-…`, when the caller may.
///
/// # Errors
/// 403 when it may not; 400 for a group without a user, and for what is no text.
pub(super) async fn acting(
    authorizer: &dyn Authorizer,
    user: &User,
    headers: &HeaderMap,
) -> Result<User, Status> {
    let (names, groups) = (texts(headers, "impersonate-user")?, texts(headers, "impersonate-group")?);
    let (uids, extra) = (texts(headers, "impersonate-uid")?, extra(headers)?);
    let uid = uids.into_iter().next().filter(|uid| !uid.is_empty());
    let Some(name) = names.first().filter(|name| !name.is_empty()) else {
        if !groups.is_empty() || uid.is_some() || !extra.is_empty() {
            return Err(Status::bad_request(without_name(&groups, uid.as_deref(), &extra)));
        }
        return Ok(user.clone());
    };
    let account = service_account(name);
    let mut asked = vec![match account {
        Some((namespace, name)) => {
            Attributes::resource("impersonate", "", "v1", "serviceaccounts").namespace(namespace).name(name)
        }
        None => Attributes::resource("impersonate", "", "v1", "users").name(name),
    }];
    asked.extend(
        groups.iter().map(|group| Attributes::resource("impersonate", "", "v1", "groups").name(group)),
    );
    let other = |resource| Attributes::resource("impersonate", AUTHENTICATION, "v1", resource);
    asked.extend(uid.iter().map(|uid| other("uids").name(uid)));
    asked.extend(extra.iter().map(|(key, value)| other("userextras").subresource(key).name(value)));
    for what in &asked {
        check(authorizer, user, what).await?;
    }
    let mut acting = User::new(name.as_str());
    acting.uid = uid.unwrap_or_default().into();
    for (key, value) in extra {
        acting.extra.entry(key.into()).or_default().push(value.into());
    }
    acting.groups = groups.iter().map(|group| group.as_str().into()).collect();
    if let (Some((namespace, _)), true) = (account, groups.is_empty()) {
        let group = format!("system:serviceaccounts:{namespace}");
        acting.groups = vec!["system:serviceaccounts".into(), group.into()];
    }
    if name == ANONYMOUS && !acting.groups.iter().any(|group| &**group == UNAUTHENTICATED) {
        acting.groups.push(UNAUTHENTICATED.into());
    }
    Ok(authenticated(acting))
}

/// What is said to who asks for a part of a user without the name, with what was asked as Go shows it
/// (`endpoints/filters/impersonation/constrained_impersonation.go`).
fn without_name(groups: &[String], uid: Option<&str>, extra: &[(String, String)]) -> String {
    let list = |all: Vec<&String>| {
        let all: Vec<String> = all.into_iter().map(|text| format!("{text:?}")).collect();
        if all.is_empty() { "[]string(nil)".to_owned() } else { format!("[]string{{{}}}", all.join(", ")) }
    };
    let mut by_key: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (key, value) in extra {
        by_key.entry(key).or_default().push(value);
    }
    let entries: Vec<String> =
        by_key.into_iter().map(|(key, values)| format!("{key:?}:{}", list(values))).collect();
    let extra = if entries.is_empty() { "(nil)".to_owned() } else { format!("{{{}}}", entries.join(", ")) };
    format!(
        "requested &user.DefaultInfo{{Name:\"\", UID:{:?}, Groups:{}, Extra:map[string][]string{extra}}} without \
         impersonating a user name",
        uid.unwrap_or_default(),
        list(groups.iter().collect())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin() -> User {
        let mut user = User::new("admin");
        user.groups = vec![MASTERS.into()];
        user
    }

    #[tokio::test]
    async fn only_who_may_impersonates() {
        let mut headers = HeaderMap::new();
        headers.insert("impersonate-user", "jane".parse().unwrap());
        headers.insert("impersonate-group", "team".parse().unwrap());
        let jane = acting(&Masters, &admin(), &headers).await.unwrap();
        assert_eq!(&*jane.name, "jane");
        assert_eq!(jane.groups, ["team".into(), AUTHENTICATED.into()]);
        let refused = acting(&Masters, &User::new("joe"), &headers).await.unwrap_err();
        assert_eq!(
            refused.message(),
            "users \"jane\" is forbidden: User \"joe\" cannot impersonate resource \"users\" in API group \"\" at the \
             cluster scope"
        );
        headers.insert("impersonate-uid", "u1".parse().unwrap());
        headers.insert("impersonate-extra-example.com%2fscope", "all".parse().unwrap());
        let jane = acting(&Masters, &admin(), &headers).await.unwrap();
        assert_eq!((&*jane.uid, &*jane.extra["example.com/scope"][0]), ("u1", "all"));
        headers.remove("impersonate-user");
        let refused = acting(&Masters, &admin(), &headers).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (
                400,
                "requested &user.DefaultInfo{Name:\"\", UID:\"u1\", Groups:[]string{\"team\"}, \
                 Extra:map[string][]string{\"example.com/scope\":[]string{\"all\"}}} without impersonating a user name"
            )
        );
    }

    #[tokio::test]
    async fn whom_a_request_acts_as_is_never_lost() {
        let as_bytes = |name: &'static str, bytes: &[u8]| {
            HeaderMap::from_iter([(
                http::HeaderName::from_static(name),
                HeaderValue::from_bytes(bytes).unwrap(),
            )])
        };
        // A proxy of an administrator's: were the name left out, everybody behind it would be the administrator.
        let joerg =
            acting(&Masters, &admin(), &as_bytes("impersonate-user", "jörg".as_bytes())).await.unwrap();
        assert_eq!(&*joerg.name, "jörg");
        for name in ["impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-a"] {
            let mut headers = as_bytes(name, b"\xff\xfe");
            assert_eq!(acting(&Masters, &admin(), &headers).await.unwrap_err().code(), 400, "{name}");
            if name != "impersonate-user" {
                headers.insert("impersonate-user", "jane".parse().unwrap());
            }
            assert_eq!(acting(&Masters, &admin(), &headers).await.unwrap_err().code(), 400, "{name}");
        }
        let mut headers = as_bytes("impersonate-user", b"system:anonymous");
        headers.insert("impersonate-extra-%zz", "v".parse().unwrap());
        headers.insert("impersonate-group", "team".parse().unwrap());
        let nobody = acting(&Masters, &admin(), &headers).await.unwrap();
        assert_eq!(nobody.groups, ["team".into(), UNAUTHENTICATED.into()]);
        assert_eq!(&*nobody.extra["%zz"][0], "v");
    }

    #[test]
    fn only_names_that_accounts_can_have_are_accounts() {
        assert_eq!(service_account("system:serviceaccount:shop:web.1"), Some(("shop", "web.1")));
        for other in ["shop:web:x", "shop:", ":web", "shop:We", "sh.op:web", "shop"] {
            assert_eq!(service_account(&format!("system:serviceaccount:{other}")), None, "{other}");
        }
    }

    #[test]
    fn public_paths_are_health_and_version() {
        for path in ["/healthz", "/livez/ping", "/readyz/", "/version"] {
            assert!(is_public(path), "{path}");
        }
        for path in ["/", "/api", "/healthzz", "/version/x", "/metrics", "/openapi/v3"] {
            assert!(!is_public(path), "{path}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_what_was_refused() {
        let what = Attributes::resource("get", "", "v1", "secrets").namespace("shop").name("s");
        let status = check(&Masters, &User::new("jane"), &what).await.unwrap_err();
        assert_eq!(
            status.message(),
            "secrets \"s\" is forbidden: User \"jane\" cannot get resource \"secrets\" in API group \"\" in the namespace \
             \"shop\""
        );
        let status = check(&Masters, &anonymous(), &Attributes::path("get", "/metrics")).await.unwrap_err();
        assert_eq!(status.message(), "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
    }
}
