//! Pods, their logs, and nodes.

use super::with;

const TALK: &str = "run talk --image orch.local/shell --restart Never --command -- sh -c";

#[test]
fn logs_are_shown_whole_in_part_and_as_they_come() {
    with(|k| {
        k.run(&format!("{TALK} 'echo one; echo two; sleep infinity'")).says("pod/talk created");
        k.run("wait pod/talk --for condition=Ready --timeout 30s").ok();
        k.run("logs talk").is("one\ntwo\n");
        k.run("logs talk --tail 1").is("two\n");
        k.run("logs talk -c talk --since 1h --limit-bytes 5").is("one\nt");
        let dated = k.run("logs talk --timestamps --tail 1").ok();
        assert!(dated.ends_with("Z two\n") && dated.contains('T'), "{dated}");
        k.run("logs talk -c nobody").fails("container nobody is not valid for pod talk");
        k.run("logs talk --previous")
            .fails("previous terminated container \"talk\" in pod \"talk\" not found");
        k.run("logs nobody").fails("pods \"nobody\" not found");
        // What is followed ends with the container.
        let followed = k.during("logs talk -f", |first| {
            assert!(first.starts_with("one\n"), "{first}");
            k.run("delete pod talk --grace-period 1 --timeout 30s").ok();
        });
        assert_eq!(followed.code, Some(0), "{}", followed.err);
        k.run(&format!("{TALK} 'echo last; exit 3'")).ok();
        k.run("wait pod/talk --for jsonpath='{.status.phase}'=Failed --timeout 30s").ok();
        k.run("logs talk -f").is("last\n");
        k.run("describe pod talk").says("Exit Code:    3");
    });
}

#[test]
fn logs_of_the_instance_before_and_of_many_pods() {
    with(|k| {
        k.run("run again --image orch.local/shell --command -- sh -c 'echo first; exit 1'").ok();
        k.run("wait pod/again --for jsonpath='{.status.containerStatuses[0].restartCount}'=1 --timeout 20s")
            .ok();
        k.run("logs again --previous").is("first\n");
        k.run("create deployment web --image orch.local/shell --replicas 2 -- sh -c 'echo served; sleep infinity'").ok();
        k.run("rollout status deployment/web --timeout 20s").says("successfully rolled out");
        k.run("logs deployment/web").says("served\n");
        let all = k.run("logs -l app=web --prefix").ok();
        assert_eq!(all.matches("served\n").count(), 2, "{all}");
        k.run("logs deployment/web --all-containers").says("served");
    });
}

#[test]
fn pods_are_deleted_and_debugged() {
    with(|k| {
        for name in ["a", "b", "c"] {
            k.run(&format!("run {name} --image orch.local/shell --command -- sleep infinity")).ok();
            k.run(&format!("wait pod/{name} --for condition=Ready --timeout 20s")).ok();
        }
        k.run("delete pod a --force").warns("Immediate deletion does not wait");
        k.run("delete pod b --grace-period 1 --timeout 20s").says("pod \"b\" deleted");
        k.run("debug c --image orch.local/shell -c helper --target c --attach=false -- sleep 10").ok();
        k.run("get pod c -o jsonpath={.spec.ephemeralContainers[0].targetContainerName}").is("c");
        k.run("describe pod c").says("Ephemeral Containers:\n  helper:");
        k.run("debug c --copy-to d --image orch.local/shell --attach=false -- sleep 10").ok();
        k.run("debug node/n1 --image orch.local/shell --attach=false").says("Creating debugging pod");
        k.run("get pod a").fails("pods \"a\" not found");
        k.run("wait pod/b --for delete --timeout 5s").ok();
        k.run("delete pods --all --timeout 30s").says("pod \"c\" deleted");
    });
}

#[test]
fn nodes_are_cordoned_drained_and_tainted() {
    with(|k| {
        k.run("create deployment web --image orch.local/echo --replicas 2").ok();
        k.run("rollout status deployment/web --timeout 20s").ok();
        k.run("cordon n1").says("node/n1 cordoned");
        k.run("get nodes").says("Ready,SchedulingDisabled");
        k.run("drain n1 --force --ignore-daemonsets --delete-emptydir-data --timeout 30s")
            .says("node/n1 drained");
        k.run("rollout status deployment/web --timeout 20s").ok();
        let nodes = k.run("get pods -l app=web -o jsonpath={.items[*].spec.nodeName}").ok();
        assert!(nodes.split(' ').all(|node| node == "n2"), "{nodes}");
        k.run("uncordon n1").says("node/n1 uncordoned");
        k.run("taint node n2 key=value:NoExecute").says("node/n2 tainted");
        k.run("wait pods --field-selector spec.nodeName=n2 --for delete --timeout 20s").ok();
        k.run("taint node n2 key-").says("node/n2 untainted");
        k.run("label node n1 disk=fast").says("node/n1 labeled");
        k.run("get nodes -l disk=fast -o name").is("node/n1\n");
        k.run("describe node n1").says("KubeletReady");
    });
}
