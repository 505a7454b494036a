//! Every error through the server and back.

use orch_core::{
    ApiExt, ConflictCause, Fault, FaultKind, FieldConflict, Patch, PatchFault, Verb, WriteOutcome,
};

use super::*;

/// An Api that refuses every write, and every read of an object.
#[derive(Clone)]
struct Refuses(Arc<dyn Api>, Error);

#[async_trait]
impl Read for Refuses {
    async fn get(&self, _: &Key, _: Revision) -> Result<Live> {
        Err(self.1.clone())
    }

    async fn list(&self, what: &Select, page: Option<Str>, limit: u32) -> Result<Page> {
        self.0.list(what, page, limit).await
    }

    async fn watch(&self, what: &Select, from: Option<Revision>) -> Result<Watch> {
        self.0.watch(what, from).await
    }
}

#[async_trait]
impl Api for Refuses {
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Live>> {
        writes.iter().map(|_| Err(self.1.clone())).collect()
    }

    fn impersonate(&self, _: &User) -> Arc<dyn Api> {
        Arc::new(self.clone())
    }

    fn registry(&self) -> &Registry {
        self.0.registry()
    }
}

/// What a write that is refused so is told to be.
async fn through(world: &World, error: &Error, write: Write) -> Error {
    let refuses = Refuses(Arc::clone(&world.local), error.clone());
    let rest = Rest::builder(Arc::new(refuses), &world.env).build().acting_as(admin());
    RemoteApi::over(rest, &world.env).one(write).await.unwrap_err()
}

fn patch() -> Write {
    Write::merge(key("a"), json!({"data": {"k": "v"}}))
}

#[test]
fn refusals_come_back_as_they_were() {
    with(|world| async move {
        let fault = |kind, field: &str, detail: &str| Fault::new(kind, field, detail);
        let conflict = |cause| Error::Conflict { key: key("a"), cause };
        let faults = [
            fault(FaultKind::Required, "a", ""),
            fault(FaultKind::Invalid, "b.c[0]", "must be so").value("-1"),
            fault(FaultKind::NotSupported, "d", "supported values: x").value("\"y\""),
            fault(FaultKind::Duplicate, "e", ""),
            fault(FaultKind::Forbidden, "f", "may not change"),
            fault(FaultKind::NotFound, "g", ""),
            fault(FaultKind::TooLong, "h", "at most 3"),
            fault(FaultKind::TooMany, "i", "at most 3"),
            fault(FaultKind::TypeInvalid, "j", "must be a text"),
        ];
        for error in [
            Error::NotFound { key: key("a") },
            Error::NotFound { key: Key::cluster(kind::NAMESPACES, "default") },
            Error::AlreadyExists { key: key("a") },
            conflict(ConflictCause::Revision { expected: Revision(3), actual: Revision(5) }),
            conflict(ConflictCause::Uid { expected: "u1".into(), actual: "u2".into() }),
            conflict(ConflictCause::State("pod a is already assigned".into())),
            conflict(ConflictCause::Fields(vec![FieldConflict {
                manager: "\"m1\" using v1".into(),
                field: ".data.k".into(),
            }])),
            Error::Invalid { key: key("a"), faults: vec![faults[1].clone()] },
            Error::Invalid { key: key("a"), faults: faults.to_vec() },
            Error::Forbidden { key: key("a"), why: "quota is used up".into() },
            Error::UnknownKind { api_version: "v1".into(), kind: "ConfigMap".into() },
            Error::NotAllowed { kind: kind::CONFIG_MAPS, what: "patch" },
            Error::TooManyRequests {
                subject: "a".into(),
                why: "later".into(),
                retry_after: Some(Duration::from_secs(7)),
            },
            Error::Unavailable { part: "store".into(), why: "gone".into() },
            Error::OutcomeUnknown { key: key("a") },
            Error::Internal { part: "store".into(), why: "broken".into() },
            Error::Patch { key: key("a"), fault: PatchFault::Malformed, why: "no patch".into() },
            Error::Patch { key: key("a"), fault: PatchFault::Unprocessable, why: "does not fit".into() },
            Error::Patch { key: key("a"), fault: PatchFault::TooLarge, why: "10001 operations".into() },
            Error::Patch { key: key("a"), fault: PatchFault::Unfit, why: "unfit".into() },
        ] {
            let back = through(&world, &error, patch().at(Revision(3))).await;
            assert_eq!(
                (back.reason(), back.outcome()),
                (error.reason(), error.outcome()),
                "{error} {back:?}"
            );
            let same = std::mem::discriminant(&back) == std::mem::discriminant(&error);
            assert!(same, "{error:?} came back as {back:?}");
            match (&error, &back) {
                // What the one knows and REST does not tell.
                (Error::Conflict { cause: ConflictCause::Revision { .. }, .. }, _) => {}
                (Error::UnknownKind { .. } | Error::NotAllowed { .. } | Error::Unavailable { .. }, _) => {}
                (Error::Internal { .. } | Error::Patch { fault: PatchFault::Unprocessable, .. }, _) => {}
                (
                    Error::TooManyRequests { retry_after, .. },
                    Error::TooManyRequests { retry_after: back, .. },
                ) => {
                    assert_eq!(back, retry_after);
                }
                (error, back) => assert_eq!(back.to_string(), error.to_string()),
            }
        }
    });
}

#[test]
fn a_stranger_in_between_may_have_let_a_write_through() {
    let about = |write: &Write| super::super::error::About::write(write);
    let registry = Registry::built_in();
    let write = Write::create(key("a"), map("a", "1"));
    for (code, unknown) in [
        (502, true),
        (503, true),
        (504, true),
        (500, true),
        (404, false),
        (413, false),
        (429, false),
        (302, false),
    ] {
        let code = http::StatusCode::from_u16(code).unwrap();
        let answer = super::super::exchange::Answer { code, retry_after: None, body: "<html>".into() };
        let error = about(&write).refused(&registry, &answer);
        assert_eq!(error.outcome() == WriteOutcome::Unknown, unknown, "{code} {error:?}");
        assert!(!error.is_not_found(), "the object is not said to be absent");
    }
}

#[test]
fn an_apply_that_conflicts_names_the_fields() {
    with(|world| async move {
        let apply = |manager: &str, value: &str| {
            let patch = json!({"metadata": {"name": "a"}, "data": {"k": value}});
            Write::apply(key("a"), manager, patch)
        };
        world.remote.one(apply("one", "1")).await.unwrap();
        let error = world.remote.one(apply("two", "2")).await.unwrap_err();
        let Error::Conflict { cause: ConflictCause::Fields(fields), .. } = error else { panic!("{error:?}") };
        assert_eq!((fields[0].field.as_str(), fields[0].manager.contains("one")), (".data.k", true));
        let forced = world.remote.one(apply("two", "2").force()).await.unwrap();
        assert_eq!(forced.tree()["data"]["k"], "2");
        let json = Write::new(key("a"), Verb::Patch(Patch::Json(json!([{"op": "replace"}]).into())));
        let back = world.remote.one(json).await.unwrap_err();
        assert!(
            matches!(back, Error::Patch { fault: PatchFault::Malformed | PatchFault::Unprocessable, .. }),
            "{back:?}"
        );
    });
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_answer_makes_it_panic(code in 300_u16..600, body in ".{0,80}", message in ".{0,60}", reason in 0_usize..18) {
        let registry = Registry::built_in();
        let reason = orch_core::Reason::ALL[reason].as_str();
        let status = json!({"kind": "Status", "reason": reason, "message": message, "details": {
            "name": body, "kind": "pods", "causes": [{"field": message, "message": body}, 1], "retryAfterSeconds": -1}});
        for body in [body.clone(), status.to_string()] {
            let code = http::StatusCode::from_u16(code).unwrap();
            let answer = super::super::exchange::Answer { code, retry_after: None, body: body.into() };
            for write in [Write::create(key("a"), map("a", "1")), patch(), Write::delete(key("a"))] {
                let _ = super::super::error::About::write(&write).refused(&registry, &answer);
            }
        }
    }
}
