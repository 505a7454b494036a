//! Who gets what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

#[test]
fn nobody_gets_more_than_health_and_version() {
    with(|server| async move {
        let nobody = Server { rest: server.rest.acting_as(User::new("system:anonymous")), ..server };
        for (uri, code) in [
            ("/healthz", 200),
            ("/livez?verbose", 200),
            ("/readyz/store", 200),
            ("/readyz/nope", 404),
            ("/version", 200),
            ("/", 403),
            ("/api", 403),
            ("/openapi/v3", 403),
            (MAPS, 403),
            ("/apis/nope/v1/things", 403),
        ] {
            nobody.get(uri).await.expect(code);
        }
        let refused = nobody.get(MAPS).await;
        assert_eq!(
            refused.text("/message"),
            "configmaps is forbidden: User \"system:anonymous\" cannot list resource \"configmaps\" in API group \"\" in the \
             namespace \"default\""
        );
    });
}

#[test]
fn somebody_known_may_discover_and_ask_about_themselves() {
    with(|server| async move {
        let jane = [("impersonate-user", "jane"), ("impersonate-group", "team")];
        for uri in ["/api", "/apis", "/openapi/v3/api/v1", "/version"] {
            server.send(Method::GET, uri, &jane, "").await.expect(200);
        }
        let uri = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let me = server.send(Method::POST, uri, &jane, "{}").await.expect(201);
        assert_eq!(
            me.body["status"]["userInfo"],
            json!({"username": "jane", "groups": ["team", "system:authenticated"]})
        );
        let may = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}});
        let uri = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let asked = server.send(Method::POST, uri, &jane, may.to_string()).await.expect(201);
        assert_eq!(asked.body["status"]["allowed"], false);
        assert_eq!(server.post(uri, may).await.expect(201).body["status"]["allowed"], true);
        let about =
            json!({"spec": {"user": "jane", "nonResourceAttributes": {"verb": "get", "path": "/healthz"}}});
        let uri = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        assert_eq!(server.post(uri, about).await.expect(201).body["status"]["allowed"], true);
        server.post(uri, json!({"spec": {"user": "jane"}})).await.expect(422);
        server.send(Method::POST, uri, &jane, "{}").await.expect(403);
    });
}

#[test]
fn a_token_that_is_not_known_is_refused() {
    with(|server| async move {
        let request =
            Request::get("/version").header("authorization", "Bearer x").body(Full::default()).unwrap();
        let nobody = Rest::builder(server.rest.shared_api(), &server.env).build();
        assert_eq!(nobody.answer(request).await.status(), 401);
    });
}

#[test]
fn roles_allow_and_give_no_more_than_their_writer_has() {
    with(|mut server| async move {
        let api = server.rest.shared_api();
        let rbac = crate::rest::Rbac::new(api.clone());
        rbac.bootstrap().await.unwrap();
        rbac.bootstrap().await.expect("what is there is no fault");
        server.rest = Rest::builder(api, &server.env).authorizer(rbac).build().acting_as(admin());
        let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
        let bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
        let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
        let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["only"]},
            {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create", "patch"]}]);
        server.post(roles, role("r", rules)).await.expect(201);
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
        let subjects = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]);
        server
            .post(bindings, json!({"metadata": {"name": "b"}, "subjects": subjects, "roleRef": reference}))
            .await
            .expect(201);
        server.map("only", json!({})).await;
        server.map("other", json!({})).await;
        let jane = [("impersonate-user", "jane")];
        let get =
            async |name: &str| server.send(Method::GET, &format!("{MAPS}/{name}"), &jane, "").await.code;
        assert_eq!((get("only").await, get("other").await), (200, 403));
        let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        let refused =
            server.send(Method::POST, roles, &jane, role("big", all.clone()).to_string()).await.expect(403);
        assert!(
            refused.text("/message").ends_with(
                "user \"jane\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently \
                 held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}"
            ),
            "{}",
            refused.raw
        );
        let own = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["only"]}]);
        server.send(Method::POST, roles, &jane, role("small", own).to_string()).await.expect(201);
        let headers = [jane[0], ("content-type", "application/merge-patch+json")];
        let grown = json!({"rules": all}).to_string();
        server.send(Method::PATCH, &format!("{roles}/small"), &headers, grown).await.expect(403);
    });
}

/// Everybody may do everything.
struct Open;

#[async_trait::async_trait]
impl super::super::Authorizer for Open {
    async fn authorize(&self, _: &User, _: &super::super::Attributes) -> super::super::Decision {
        super::super::Decision::Allow
    }
}

#[test]
fn who_comes_when_too_many_are_at_work_is_told_to_come_again() {
    with(|server| async move {
        let rest =
            Rest::builder(server.rest.shared_api(), &server.env).authorizer(Open).max_in_flight(1).build();
        let jane = rest.acting_as(User::new("jane"));
        // A body that does not end keeps its request at work.
        let body = http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<Bytes>, super::super::BodyError>,
        >());
        let slow = Request::post(MAPS).body(body).unwrap();
        let mut slow = Box::pin(jane.answer(slow));
        assert!(futures::poll!(&mut slow).is_pending());
        let get = || Request::get(MAPS).body(Full::<Bytes>::default()).unwrap();
        let refused = jane.answer(get()).await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["retry-after"]),
            (429, &"1".parse().unwrap())
        );
        assert_eq!(rest.acting_as(admin()).answer(get()).await.status(), 200);
        drop(slow);
        assert_eq!(jane.answer(get()).await.status(), 200);
    });
}

#[test]
fn what_is_allowed_is_told_with_the_binding_that_allows_it() {
    with(|mut server| async move {
        let api = server.rest.shared_api();
        let rbac = crate::rest::Rbac::new(api.clone());
        rbac.bootstrap().await.unwrap();
        server.rest = Rest::builder(api, &server.env).authorizer(rbac).build().acting_as(admin());
        let group = "rbac.authorization.k8s.io";
        let binding = json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": group, "kind": "ClusterRole",
            "name": "cluster-admin"}, "subjects": [{"kind": "ServiceAccount", "name": "web"},
            {"apiGroup": group, "kind": "User", "name": "jane"}]});
        let bindings = format!("/apis/{group}/v1/namespaces/default/rolebindings");
        server.post(&bindings, binding).await.expect(201);
        let ask = async |spec: Value| {
            let uri = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            server.post(uri, json!({"spec": spec})).await.expect(201).body["status"].clone()
        };
        let pods = json!({"verb": "get", "resource": "pods", "namespace": "default"});
        let by = |who: &str| {
            json!({"allowed": true, "reason":
                format!("RBAC: allowed by RoleBinding \"b/default\" of ClusterRole \"cluster-admin\" to {who}")})
        };
        assert_eq!(ask(json!({"user": "jane", "resourceAttributes": pods})).await, by("User \"jane\""));
        let web = json!({"user": "system:serviceaccount:default:web", "resourceAttributes": pods});
        assert_eq!(ask(web).await, by("ServiceAccount \"web/default\""));
        let path = |path: &str| json!({"verb": "get", "path": path});
        let known =
            json!({"user": "joe", "groups": ["system:authenticated"], "nonResourceAttributes": path("/api")});
        assert_eq!(
            ask(known).await["reason"],
            "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \
             \"system:authenticated\""
        );
        let healthy = json!({"user": "joe", "nonResourceAttributes": path("/healthz")});
        assert_eq!(ask(healthy).await, json!({"allowed": true}));
        let master = json!({"user": "joe", "groups": ["system:masters"], "resourceAttributes": pods});
        assert_eq!(ask(master).await, json!({"allowed": true}));
    });
}

#[test]
fn a_certificate_is_asked_for_by_whoever_asks() {
    with(|server| async move {
        let request = include_str!("request.txt").trim();
        let spec = json!({"request": request, "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"], "username": "root", "extra": {"a": ["b"]}});
        let uri = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        let made = server.post(uri, json!({"metadata": {"name": "a"}, "spec": spec})).await.expect(201);
        assert_eq!(made.text("/spec/username"), "admin");
        assert_eq!(made.body["spec"].get("extra"), None);
        assert!(made.body["spec"]["groups"].as_array().unwrap().contains(&json!("system:masters")));
    });
}

#[test]
fn nobody_becomes_an_administrator_by_a_certificate() {
    with(|server| async move {
        let uri = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        let client = "kubernetes.io/kube-apiserver-client";
        let csr = |request: &str, signer: &str| {
            json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "a"},
                "spec": {"request": request, "signerName": signer, "usages": ["client auth"]}})
        };
        let forbidden = "certificatesigningrequests.certificates.k8s.io \"a\" is forbidden: ";
        let of_masters =
            "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
        let broken =
            STANDARD.encode("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n");
        for (request, why) in [
            (include_str!("request_of_masters.txt").trim(), of_masters),
            (include_str!("request_of_masters_in_bmp.txt").trim(), of_masters),
            (&*broken, "failed to parse CSR: "),
            ("", "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST"),
        ] {
            let refused = server.post(uri, csr(request, client)).await.expect(403);
            assert!(refused.text("/message").starts_with(&format!("{forbidden}{why}")), "{}", refused.raw);
            let headers = [("content-type", "application/apply-patch+yaml")];
            let one = format!("{uri}/a?fieldManager=me");
            let applied = csr(request, client).to_string();
            let applied = server.send(Method::PATCH, &one, &headers, applied).await.expect(403);
            assert_eq!(applied.text("/message"), refused.text("/message"));
        }
        let request = include_str!("request_of_masters.txt").trim();
        server.post(uri, csr(request, "a.b/c")).await.expect(201);
    });
}
