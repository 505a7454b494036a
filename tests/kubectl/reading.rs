//! What kubectl shows: tables, descriptions, explanations, what a server has.

use super::with;

#[test]
fn every_kind_is_listed_and_described() {
    with(|k| {
        k.run("create deployment web --image orch.local/echo").ok();
        k.run("rollout status deployment/web --timeout 20s").ok();
        let kinds = k.run("api-resources --verbs list -o name").ok();
        assert!(kinds.lines().count() > 50, "{kinds}");
        let all: Vec<&str> = kinds.lines().collect();
        k.run(&format!("get {} -A", all.join(","))).says("deployment.apps/web");
        // kubectl 1.32 describes service ranges by a version that 1.36 has no more.
        let described: Vec<&str> = all.into_iter().filter(|kind| !kind.starts_with("servicecidrs")).collect();
        k.run(&format!("describe {} -A", described.join(","))).says("Name:               n1");
    });
}

#[test]
fn objects_are_shown_in_every_form() {
    with(|k| {
        k.run("create deployment web --image orch.local/echo --replicas 2").ok();
        k.run("rollout status deployment/web --timeout 20s").ok();
        k.run("get all").says("replicaset.apps/web-");
        k.run("get deployment web -o wide").says("orch.local/echo");
        k.run("get deployment web -o yaml").says("replicas: 2");
        k.run("get deployment web -o json").says("\"kind\": \"Deployment\"");
        k.run("get pods -o custom-columns=N:.spec.nodeName --sort-by .metadata.name").says("N\nn");
        k.run("get pods -o go-template='{{len .items}}'").is("2");
        k.run("get pods --show-labels -L app --field-selector status.phase=Running").says("app=web");
        k.run("get pods -l 'app in (web),tier!=x' -o name --chunk-size 1").says("pod/web-");
        k.run("get pods -w --request-timeout 1s").says("Running");
        k.run("get deployment,replicaset -A").says("replicaset.apps/web-");
        k.run("get configmap none").fails("configmaps \"none\" not found");
        k.run("get configmap none --ignore-not-found").is("");
        k.run("get nonsense").fails("the server doesn't have a resource type \"nonsense\"");
        k.run("cluster-info").says("control plane");
        k.run("cluster-info dump").says("\"kind\": \"NodeList\"");
        k.run("top pods").fails("Metrics API not available");
    });
}

#[test]
fn a_server_says_what_it_has() {
    with(|k| {
        k.run("version").says("Server Version: v1.36");
        k.run("api-versions").says("apps/v1\n");
        k.run("api-resources --namespaced=false --categories none").ok();
        k.run("api-resources --api-group apps -o wide")
            .says("create,delete,deletecollection,get,list,patch,update,watch");
        k.run("explain pod.spec.containers --recursive").says("  name\t<string> -required-");
        k.run("explain deployment.spec.strategy.rollingUpdate").says("maxSurge");
        k.run("explain pod.nonsense").fails("field \"nonsense\" does not exist");
        k.run("get --raw /readyz?verbose").says("readyz check passed");
        k.run("get --raw /metrics").says("apiserver_request_total");
        k.run("get --raw /openapi/v2").says("\"swagger\":\"2.0\"");
        k.run("get --raw /version").says("\"gitVersion\":\"v1.36");
        k.run("get --raw /nonsense").fails("the server could not find the requested resource");
    });
}
