//! Kinds of a user's own.

use super::with;

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.store.example}
spec:
  group: store.example
  scope: Namespaced
  names: {plural: backups, singular: backup, kind: Backup, shortNames: [bk], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.copies, statusReplicasPath: .status.copies}}
    additionalPrinterColumns:
    - {name: Schedule, type: string, jsonPath: .spec.schedule}
    schema:
      openAPIV3Schema:
        type: object
        description: A backup
        properties:
          spec:
            type: object
            required: [schedule]
            properties:
              schedule: {type: string, description: When it is made}
              copies: {type: integer, default: 2, minimum: 1}
          status: {type: object, properties: {copies: {type: integer}}}
";

const BACKUP: &str =
    "apiVersion: store.example/v1\nkind: Backup\nmetadata: {name: nightly}\nspec: {schedule: daily}\n";

#[test]
fn a_kind_of_a_users_own_is_used_as_every_other() {
    with(|k| {
        k.apply(DEFINITION);
        k.run("wait crd/backups.store.example --for condition=Established --timeout 10s").ok();
        k.given("apply -f -", BACKUP).says("backup.store.example/nightly created");
        k.run("get bk").says("NAME      SCHEDULE\nnightly   daily");
        k.run("get all").says("backup.store.example/nightly");
        k.run("explain backup.spec").says("schedule\t<string> -required-\n    When it is made");
        k.run("scale backup nightly --replicas 4").says("scaled");
        let scale = k.run("get backup nightly --subresource scale").ok();
        assert!(scale.starts_with("NAME      DESIRED   AVAILABLE   AGE\nnightly   4 "), "{scale}");
        k.run(r#"patch backup nightly --type merge -p '{"spec":{"copies":0}}'"#)
            .fails("spec.copies in body should be greater than or equal to 1");
        k.run(r#"patch backup nightly --subresource status --type merge -p '{"status":{"copies":3}}'"#).ok();
        k.run("edit backup nightly").says("edited");
        k.run("get bk nightly -o jsonpath={.spec.schedule}{.spec.copies}{.status.copies}").is("weekly43");
        k.run("label bk nightly tier=gold").ok();
        k.run("describe bk nightly").says("Schedule:  weekly");
        k.given("apply -f - --server-side --force-conflicts", BACKUP).says("serverside-applied");
        k.given("apply -f -", &BACKUP.replace("schedule", "schedul")).fails("unknown field \"spec.schedul\"");
        k.run("delete crd backups.store.example --timeout 20s").ok();
        k.run("get bk").fails("the server");
    });
}
