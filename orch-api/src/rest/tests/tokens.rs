//! Tokens of service accounts, from the request to who shows one; logs of pods.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use orch_core::runtime::{LogLine, LogSource};
use orch_core::{ApiExt, Error, Live, LogOptions, PodLogs};

use super::super::{Masters, ServiceAccountTokens, TokenKey};
use super::*;

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// A log of five lines, a second apart.
struct Lines;

#[async_trait]
impl PodLogs for Lines {
    async fn open(&self, _: &Live, options: &LogOptions) -> orch_core::Result<BoxStream<'static, LogLine>> {
        if options.is_previous {
            let why = "previous terminated container \"c\" in pod \"a\" not found".to_owned();
            return Err(Error::Malformed { subject: "a".into(), field: String::new(), why });
        }
        let line = |second: i64| LogLine {
            time: jiff::Timestamp::from_second(second).unwrap(),
            source: LogSource::Stdout,
            text: format!("line {second}").into(),
        };
        let (since, tail) = (options.since, options.tail.unwrap_or(usize::MAX));
        let lines: Vec<_> =
            (1..=5).map(line).filter(|line| since.is_none_or(|since| line.time >= since)).collect();
        let from = lines.len().saturating_sub(tail);
        Ok(stream::iter(lines.into_iter().skip(from)).boxed())
    }
}

/// A server with tokens and logs, as an administrator has it and as the rest of the world does.
fn with_tokens<F, Fut>(test: F)
where
    F: FnOnce(Server, Server) -> Fut,
    Fut: Future<Output = ()>,
{
    orch_core::sim::run(7, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = MemStore::new(Arc::clone(&registry));
        let key = TokenKey::new().unwrap();
        let api = LocalApi::builder(Arc::new(store.clone()), env.clone(), registry)
            .tokens(Arc::new(key.clone()))
            .build();
        api.bootstrap().await.unwrap();
        let api: Arc<dyn orch_core::Api> = Arc::new(api);
        let account = |name: &str| {
            json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": "default"}})
        };
        api.create(account("web")).await.unwrap();
        let tokens = ServiceAccountTokens::new(key, Arc::clone(&api), &env);
        let rest =
            Rest::builder(api, &env).authorizer(Masters).authenticator(tokens).logs(Arc::new(Lines)).build();
        let all = Server { rest: rest.clone(), store: store.clone(), env: env.clone() };
        test(Server { rest: rest.acting_as(admin()), store, env }, all).await;
    });
}

async fn token(server: &Server, request: Value) -> String {
    let answer = server.post(&format!("{ACCOUNTS}/web/token"), request).await.expect(201);
    assert_eq!(answer.text("/kind"), "TokenRequest");
    answer.text("/status/token").to_owned()
}

async fn who(server: &Server, token: &str) -> Answer {
    let uri = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let bearer = format!("Bearer {token}");
    server.send(Method::POST, uri, &[("authorization", &bearer)], "{}").await
}

#[test]
fn a_token_says_who_shows_it_until_it_ends() {
    with_tokens(|admin, world| async move {
        let text = token(&admin, json!({"spec": {"expirationSeconds": 600}})).await;
        let me = who(&world, &text).await.expect(201);
        let info = &me.body["status"]["userInfo"];
        assert_eq!(info["username"], "system:serviceaccount:default:web");
        let groups = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"];
        assert_eq!(info["groups"], json!(groups));
        assert!(
            info["extra"]["authentication.kubernetes.io/credential-id"][0]
                .as_str()
                .unwrap()
                .starts_with("JTI=")
        );
        let review = admin.post(REVIEWS, json!({"spec": {"token": text}})).await.expect(201);
        assert_eq!(review.body["status"]["authenticated"], true);
        assert_eq!(review.body["status"]["audiences"], json!([crate::tokens::ISSUER]));
        let others = json!({"spec": {"token": text, "audiences": ["vault"]}});
        assert!(
            admin
                .post(REVIEWS, others)
                .await
                .text("/status/error")
                .contains("invalid for the target audiences")
        );
        // What does not verify is nobody's.
        let (signed, _) = text.rsplit_once('.').unwrap();
        who(&world, &format!("{signed}.AAAA")).await.expect(401);
        who(&world, "nope").await.expect(401);
        world.env.sleep(std::time::Duration::from_secs(700)).await;
        who(&world, &text).await.expect(401);
        let review = admin.post(REVIEWS, json!({"spec": {"token": text}})).await;
        assert_eq!(review.text("/status/error"), "[invalid bearer token, service account token has expired]");
    });
}

#[test]
fn a_token_ends_with_what_it_is_bound_to() {
    with_tokens(|admin, world| async move {
        let mut pod = pod("a");
        pod["spec"]["serviceAccountName"] = "web".into();
        admin.post(PODS, pod).await.expect(201);
        let bound = json!({"spec": {"audiences": ["x", crate::tokens::ISSUER],
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "a"}}});
        let text = token(&admin, bound.clone()).await;
        let me = who(&world, &text).await.expect(201);
        let extra = &me.body["status"]["userInfo"]["extra"];
        assert_eq!(extra["authentication.kubernetes.io/pod-name"], json!(["a"]));
        admin.delete(&format!("{PODS}/a"), None).await.expect(200);
        who(&world, &text).await.expect(401);
        let gone = admin.post(&format!("{ACCOUNTS}/web/token"), bound).await.expect(404);
        assert_eq!(gone.text("/details/kind"), "pods");
        let text = token(&admin, json!({"spec": {}})).await;
        admin.delete(&format!("{ACCOUNTS}/web"), None).await.expect(200);
        who(&world, &text).await.expect(401);
    });
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    with_tokens(|admin, world| async move {
        let uri = format!("{ACCOUNTS}/web/token");
        let short = admin.post(&uri, json!({"spec": {"expirationSeconds": 10}})).await.expect(422);
        assert_eq!(
            short.text("/message"),
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 10: may not \
             specify a duration less than 10 minutes"
        );
        let of =
            |kind: &str| json!({"spec": {"boundObjectRef": {"kind": kind, "apiVersion": "v1", "name": "a"}}});
        admin.post(&uri, of("ConfigMap")).await.expect(400);
        admin.post(&uri, of("Secret")).await.expect(404);
        admin.post(&format!("{ACCOUNTS}/nobody/token"), json!({"spec": {}})).await.expect(404);
        admin.get(&uri).await.expect(405);
        world.post(&uri, json!({"spec": {}})).await.expect(403);
        let keys = admin.get("/openid/v1/jwks").await.expect(200);
        assert_eq!((keys.text("/keys/0/alg"), keys.text("/keys/0/x").len()), ("ES256", 43));
        let issuer = admin.get("/.well-known/openid-configuration").await.expect(200);
        assert_eq!(issuer.text("/issuer"), crate::tokens::ISSUER);
    });
}

#[test]
fn a_log_is_text_within_what_is_asked_for() {
    with_tokens(|admin, _| async move {
        let mut tree = pod("a");
        admin.post(PODS, tree.clone()).await.expect(201);
        let log = async |query: &str| admin.get(&format!("{PODS}/a/log{query}")).await;
        assert_eq!(log("").await.expect(200).raw, "", "it has no node");
        tree["metadata"]["name"] = "b".into();
        tree["spec"]["nodeName"] = "n1".into();
        tree["spec"]["initContainers"] = json!([{"name": "i", "image": "x"}]);
        admin.post(PODS, tree).await.expect(201);
        let log = async |query: &str| admin.get(&format!("{PODS}/b/log{query}")).await;
        let all = log("").await.expect(200);
        assert_eq!(all.headers["content-type"], "text/plain");
        assert_eq!(all.raw.lines().count(), 5);
        assert_eq!(log("?container=i&tailLines=1").await.raw, "line 5\n");
        assert_eq!(log("?limitBytes=9").await.raw, "line 1\nli");
        let timed = log("?timestamps=true&sinceTime=1970-01-01T00:00:05Z").await;
        assert_eq!(timed.raw, "1970-01-01T00:00:05.000000000Z line 5\n");
        for (query, code, message) in [
            ("?container=x", 400, "container x is not valid for pod b"),
            ("?previous=true", 400, "previous terminated container \"c\" in pod \"a\" not found"),
            (
                "?tailLines=-1",
                422,
                "PodLogOptions \"b\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0",
            ),
            (
                "?sinceSeconds=1&sinceTime=1970-01-01T00:00:05Z",
                422,
                "PodLogOptions \"b\" is invalid: : Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
            ),
            ("?sinceTime=x", 400, "sinceTime: \"x\" is no time as of RFC 3339"),
        ] {
            assert_eq!(log(query).await.expect(code).text("/message"), message, "{query}");
        }
        admin.get(&format!("{PODS}/c/log")).await.expect(404);
        admin.post(&format!("{PODS}/b/log"), json!({})).await.expect(405);
    });
}

#[test]
fn one_learns_what_one_may_do() {
    with_tokens(|admin, world| async move {
        let uri = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        let answer = admin.post(uri, json!({"spec": {"namespace": "default"}})).await.expect(201);
        assert_eq!(answer.body["status"]["incomplete"], false);
        admin.post(uri, json!({"spec": {}})).await.expect(400);
        world.post(uri, json!({"spec": {"namespace": "default"}})).await.expect(403);
    });
}

#[test]
fn an_eviction_that_a_budget_refuses_says_which() {
    with_tokens(|admin, _| async move {
        let mut tree = pod("a");
        tree["spec"]["nodeName"] = "n1".into();
        admin.post(PODS, tree).await.expect(201);
        admin.merge(&format!("{PODS}/a/status"), json!({"status": {"phase": "Running"}})).await.expect(200);
        let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
        let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {}}});
        admin.post(budgets, budget).await.expect(201);
        let status = json!({"status": {"observedGeneration": 1, "desiredHealthy": 1, "currentHealthy": 0,
            "disruptionsAllowed": 0, "expectedPods": 1}});
        admin.merge(&format!("{budgets}/b/status"), status).await.expect(200);
        let uri = format!("{PODS}/a/eviction");
        let refused = admin.post(&uri, json!({"metadata": {"name": "a"}})).await.expect(429);
        assert_eq!(
            refused.text("/message"),
            "Cannot evict pod as it would violate the pod's disruption budget."
        );
        let cause = json!({"reason": "DisruptionBudget",
            "message": "The disruption budget b needs 1 healthy pods and has 0 currently"});
        assert_eq!(refused.body["details"], json!({"causes": [cause]}));
        admin.post(&uri, json!({"metadata": {"name": "x"}})).await.expect(400);
    });
}
