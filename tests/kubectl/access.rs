//! Who may do what, tokens and certificates.

use super::with;

#[test]
fn access_is_asked_for_given_and_used() {
    with(|k| {
        k.run("auth whoami").says("kubernetes-admin");
        k.run("auth can-i '*' '*'").is("yes\n");
        k.run("auth can-i get pods --as jane").code_is(1, "no\n");
        k.run("create role r --verb get,list --resource pods").ok();
        k.run("create rolebinding rb --role r --user jane").ok();
        k.run("auth can-i get pods --as jane").is("yes\n");
        k.run("auth can-i --list --as jane").says("pods ");
        k.run("get pods --as jane").ok();
        k.run("get nodes --as jane")
            .fails("User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope");
        let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: default}\n\
            rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]\n";
        k.given("auth reconcile -f -", role).warns("missing rules added");
        k.run("auth can-i get secrets --as jane").is("yes\n");
        k.run("create serviceaccount bot").ok();
        let token = k.run("create token bot --duration 10m").ok();
        k.run("create rolebinding bot --clusterrole view --serviceaccount default:bot").ok();
        // The token alone says who asks.
        k.as_bearer(token.trim());
        k.run("auth whoami --context bearer").says("system:serviceaccount:default:bot");
        k.run("get pods --context bearer").ok();
        k.run("get secrets --context bearer").fails("cannot list resource \"secrets\"");
        k.run("create token nobody").fails("serviceaccounts \"nobody\" not found");
    });
}

#[test]
fn certificates_are_asked_for_and_approved() {
    with(|k| {
        let request = include_str!("request.txt").trim();
        k.apply(&format!(
            "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: jane}}\n\
             spec: {{request: {request}, signerName: kubernetes.io/kube-apiserver-client, usages: [client auth]}}\n"
        ));
        let listed = k.run("get csr").ok();
        assert!(listed.contains("kubernetes-admin") && listed.contains("Pending"), "{listed}");
        k.run("certificate approve jane").says("approved");
        k.run("get csr jane").says("Approved");
        k.run("describe csr jane").says("Requesting User:    kubernetes-admin");
    });
}
