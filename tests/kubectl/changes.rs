//! Ways to make and change objects.

use super::with;

const MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, labels: {tier: web}}\ndata: {when: daily}\n";

#[test]
fn a_manifest_is_applied_compared_and_edited() {
    with(|k| {
        k.given("apply -f -", MAP).says("configmap/conf created");
        k.given("apply -f -", MAP).says("configmap/conf unchanged");
        let changed = MAP.replace("daily", "hourly");
        let diff = k.given("diff -f -", &changed);
        // What would be written has the revision of what is there: it is no part of the difference.
        assert_eq!(diff.code, Some(1), "{}", diff.err);
        assert!(diff.out.contains("-  when: daily\n+  when: hourly"), "{}", diff.out);
        assert!(!diff.out.contains("resourceVersion"), "{}", diff.out);
        k.given("diff -f -", MAP).is("");
        k.run("edit configmap conf").says("configmap/conf edited");
        k.run("get configmap conf -o jsonpath={.data.when}").is("weekly");
        k.run(r#"patch configmap conf --type merge -p '{"data":{"when":"never"}}'"#).ok();
        k.given("apply -f - --server-side", MAP)
            .fails("conflict with \"kubectl-patch\" using v1: .data.when");
        k.given("apply -f - --server-side --force-conflicts", MAP).says("configmap/conf serverside-applied");
        k.given("apply -f - --dry-run=server", &changed).says("configmap/conf configured (server dry run)");
        k.run("apply view-last-applied configmap/conf").says("when: daily");
        k.given("replace -f -", &changed).says("configmap/conf replaced");
        k.given("replace --force -f -", MAP).says("configmap/conf replaced");
        let wrong = MAP.replace("\ndata:", "\ndat:");
        k.given("apply -f -", &wrong).fails("unknown field \"dat\"");
        k.given("create -f - --validate=warn", &wrong.replace("name: conf", "name: loose"))
            .warns("unknown field \"dat\"");
        // Pruned is what was applied once.
        k.given("apply -f -", MAP).ok();
        let pruned = MAP.replace("conf", "other");
        k.given("apply -f - --prune -l tier=web --prune-allowlist core/v1/ConfigMap", &pruned)
            .says("configmap/conf pruned");
        k.run("delete configmap other --dry-run=server").says("deleted (server dry run)");
        k.run("get configmap other -o name").is("configmap/other\n");
    });
}

#[test]
fn objects_are_patched_in_every_way_and_labelled() {
    with(|k| {
        k.given("create -f -", MAP).ok();
        k.run(r#"patch configmap conf -p '{"data":{"a":"1"}}'"#).says("configmap/conf patched");
        k.run(r#"patch configmap conf --type merge -p '{"data":{"a":"2"}}'"#).ok();
        k.run(r#"patch configmap conf --type json -p '[{"op":"test","path":"/data/a","value":"2"},{"op":"remove","path":"/data/a"}]'"#).ok();
        k.run("get configmap conf -o jsonpath={.data}").is(r#"{"when":"daily"}"#);
        k.run(r#"patch configmap conf --type json -p '[{"op":"test","path":"/data/a","value":"2"}]'"#)
            .fails("The request is invalid");
        k.run("label configmap conf tier=db").fails("already has a value (web), and --overwrite is false");
        k.run("label configmap conf tier=db --overwrite").says("configmap/conf labeled");
        k.run("label configmap conf tier-").says("configmap/conf unlabeled");
        k.run("annotate configmap conf note=hello").says("configmap/conf annotated");
        k.run("annotate configmap conf note-").ok();
        k.run("get configmap conf --show-labels").says("<none>");
    });
}

#[test]
fn a_deployment_is_scaled_rolled_out_and_rolled_back() {
    with(|k| {
        k.run("create deployment web --image orch.local/echo --replicas 2")
            .says("deployment.apps/web created");
        k.run("rollout status deployment/web --timeout 20s").ok();
        k.run("scale deployment web --replicas 3 --current-replicas 2").says("deployment.apps/web scaled");
        k.run("scale deployment web --replicas 3 --current-replicas 2")
            .fails("Expected replicas to be 2, was 3");
        k.run(r#"patch deployment web --subresource scale --type merge -p '{"spec":{"replicas":1}}'"#).ok();
        let scale = k.run("get deployment web --subresource scale").ok();
        assert!(scale.starts_with("NAME   DESIRED   AVAILABLE   AGE\nweb    1 "), "{scale}");
        k.run("set image deployment/web echo=orch.local/echo:latest").says("image updated");
        k.run("set env deployment/web A=B").says("env updated");
        k.run("set env deployment/web --list").says("A=B");
        k.run("set resources deployment/web --limits cpu=100m,memory=64Mi")
            .says("resource requirements updated");
        k.run("set serviceaccount deployment/web default").ok();
        k.run("annotate deployment/web kubernetes.io/change-cause=fifth").ok();
        k.run("rollout status deployment/web --timeout 20s").ok();
        k.run("rollout history deployment/web").says("fifth");
        k.run("rollout history deployment/web --revision 1").says("orch.local/echo");
        k.run("rollout pause deployment/web").says("deployment.apps/web paused");
        k.run("rollout undo deployment/web").fails("cannot rollback a paused deployment");
        k.run("rollout resume deployment/web").says("deployment.apps/web resumed");
        k.run("rollout restart deployment/web").says("deployment.apps/web restarted");
        k.run("rollout undo deployment/web --to-revision 1").says("rolled back");
        k.run("rollout status deployment/web --timeout 20s").ok();
        k.run("wait deployment/web --for condition=Available --timeout 20s").ok();
        k.run("expose deployment web --port 80 --target-port 8080").says("service/web exposed");
        k.run("set selector service/web app=other").says("selector updated");
        k.run("autoscale deployment web --min 1 --max 3 --cpu-percent 50").says("autoscaled");
        k.run("events --for deployment/web").says("ScalingReplicaSet");
        k.run("delete deployment web --cascade=orphan").ok();
        k.run("get replicasets -o name").says("replicaset.apps/web-");
        k.run("delete replicasets --all --cascade=foreground --timeout 30s").ok();
        k.run("get replicasets -o name").is("");
    });
}

#[test]
fn every_generator_makes_its_object() {
    with(|k| {
        for line in [
            "configmap c --from-literal a=b",
            "secret generic s --from-literal a=b",
            "secret docker-registry d --docker-username a --docker-password b --docker-server c",
            "namespace shop",
            "serviceaccount bot",
            "quota q --hard pods=10 --scopes BestEffort",
            "role r --verb get --resource pods",
            "rolebinding rb --role r --user jane",
            "clusterrole cr --verb get --resource nodes",
            "clusterrolebinding crb --clusterrole cr --user jane",
            "job j --image orch.local/shell -- true",
            "cronjob cj --image orch.local/shell --schedule '* * * * *' -- true",
            "job j2 --from cronjob/cj",
            "ingress i --rule a.b/*=web:80",
            "poddisruptionbudget b --selector app=web --min-available 1",
            "priorityclass p --value 100",
            "service clusterip s1 --tcp 80:8080",
            "service nodeport s2 --tcp 80:8080",
            "service loadbalancer s3 --tcp 80:8080",
            "service externalname s4 --external-name a.b",
            "deployment web --image orch.local/echo",
        ] {
            k.run(&format!("create {line}")).says(" created");
        }
        k.run("create configmap c").fails("already exists");
        k.run("delete namespace shop --timeout 30s").says("deleted");
        k.run("delete configmaps,secrets --all").says("secret \"s\" deleted");
        k.run("create deployment x --image a --dry-run=server -o name").is("deployment.apps/x\n");
        k.run("get deployment x").fails("not found");
    });
}
