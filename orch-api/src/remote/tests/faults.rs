//! Connections that break: before a request has gone out, after it has, and in the middle of a watch.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use orch_core::{ApiExt, Feed, WriteOutcome};
use proptest::prelude::*;

use super::*;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It does not reach the server.
    Before,
    /// It does, and the answer is lost.
    After,
    /// There is never an answer.
    Never,
    /// The body of the answer breaks off after so many frames.
    Cut(usize),
}

/// A server behind a bad line: what happens to each next request, then nothing any more.
#[derive(Clone)]
struct Line(Rest, Arc<Mutex<Vec<Fault>>>);

impl Line {
    fn to(world: &World, mut faults: Vec<Fault>) -> Self {
        faults.reverse();
        Self(world.rest.clone(), Arc::new(Mutex::new(faults)))
    }
}

impl tower::Service<Request<RequestBody>> for Line {
    type Response = Response<AnswerBody>;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<Self::Response, BodyError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let fault = self.1.lock().unwrap().pop();
        let rest = self.0.clone();
        Box::pin(async move {
            let broken = || BodyError::from("the line is broken");
            if fault == Some(Fault::Before) {
                return Err(broken());
            }
            let answer = rest.answer(request).await;
            match fault {
                Some(Fault::After) => Err(broken()),
                Some(Fault::Never) => std::future::pending().await,
                Some(Fault::Cut(frames)) => Ok(answer.map(|mut body| {
                    let mut left = frames;
                    let frames = stream::poll_fn(move |context| {
                        if left == 0 {
                            left = usize::MAX;
                            return Poll::Ready(Some(Err(broken())));
                        }
                        let frame = http_body::Body::poll_frame(Pin::new(&mut body), context);
                        frame.map(|frame| {
                            left -= 1;
                            frame
                        })
                    });
                    StreamBody::new(frames.map(|frame: std::result::Result<Frame<Bytes>, BodyError>| frame))
                        .boxed_unsync()
                })),
                _ => Ok(answer),
            }
        })
    }
}

#[test]
fn a_write_whose_answer_is_lost_may_have_happened() {
    with(|world| async move {
        for (fault, done) in
            [(Fault::Before, false), (Fault::After, true), (Fault::Never, true), (Fault::Cut(0), true)]
        {
            let remote = RemoteApi::over(Line::to(&world, vec![fault]), &world.env);
            let error = remote.create(map("a", "1")).await.unwrap_err();
            assert_eq!(error.outcome(), WriteOutcome::Unknown, "{fault:?}: {error:?}");
            assert_eq!(world.local.read(&key("a")).await.is_ok(), done, "{fault:?}");
            let _ = world.local.one(Write::delete(key("a"))).await;
            let remote = RemoteApi::over(Line::to(&world, vec![fault]), &world.env);
            let error = remote.list(&maps(), None, 0).await.unwrap_err();
            assert!(matches!(error, Error::Unavailable { .. }), "{fault:?}: {error:?}");
        }
    });
}

#[test]
fn a_deletion_that_was_done_is_not_told_as_not_done() {
    with(|world| async move {
        world.local.create(map("a", "1")).await.unwrap();
        // The read before it, the deletion itself, and the read of the revision after it, which breaks: no revision is told
        // then, since an older one would pass for that of the deletion (chaos over REST, seed 44).
        let line = Line::to(&world, vec![Fault::Cut(9), Fault::Cut(9), Fault::Before]);
        let error = RemoteApi::over(line, &world.env).one(Write::delete(key("a"))).await.unwrap_err();
        assert_eq!(error.outcome(), WriteOutcome::Unknown, "{error:?}");
        assert!(world.local.read(&key("a")).await.is_err());
    });
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Before),
        Just(Fault::After),
        (0_usize..5).prop_map(Fault::Cut),
        Just(Fault::Cut(1_000_000)),
    ]
}

/// A change of one of three objects.
fn steps() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0_usize..3, prop::bool::weighted(0.3)), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// However the line breaks, what a feed has told is in the end what the server has, and nothing was told twice.
    #[test]
    fn a_feed_over_a_bad_line_loses_nothing(faults in prop::collection::vec(fault(), 0..20), steps in steps()) {
        with(|world| async move {
            let remote = RemoteApi::over(Line::to(&world, faults), &world.env);
            let mut feed = Feed::new(Arc::new(remote), world.env.clone(), maps());
            let local = Arc::clone(&world.local);
            let env = world.env.clone();
            let writer = world.env.spawn(async move {
                for (at, (name, is_deletion)) in steps.into_iter().enumerate() {
                    let key = key(["a", "b", "c"][name]);
                    let _ = if is_deletion {
                        local.one(Write::delete(key)).await
                    } else {
                        let value = at.to_string();
                        match local.one(Write::merge(key.clone(), json!({"data": {"k": value}}))).await {
                            Err(Error::NotFound { .. }) => local.create(map(&key.name, &value)).await,
                            answer => answer,
                        }
                    };
                    env.sleep(Duration::from_millis(env.below(40))).await;
                }
                local.create(map("last", "1")).await.unwrap().revision()
            });
            let mut told = std::collections::BTreeMap::new();
            while !told.contains_key(&key("last")) {
                if let Event::Changed(change) = feed.next().await {
                    let before: Option<Revision> = match &change.now {
                        Some(live) => told.insert(change.key().clone(), live.revision()),
                        None => told.remove(change.key()),
                    };
                    let is_news = change.now.as_ref().is_none_or(|live| before < Some(live.revision()));
                    assert!(is_news, "{change:?} was told before");
                    assert_eq!(change.before.is_some(), before.is_some(), "{change:?} tells what was before");
                }
            }
            writer.await.unwrap();
            let page = world.local.list(&maps(), None, 0).await.unwrap();
            let there: std::collections::BTreeMap<Key, Revision> =
                page.items.iter().map(|object| (object.key().clone(), object.revision())).collect();
            assert_eq!(told, there);
        });
    }
}
