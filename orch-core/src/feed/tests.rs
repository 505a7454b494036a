use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream};
use serde_json::json;

use super::Feed;
use crate::{
    Change, Env, Error, Event, Key, Live, Object, Page, Read, Registry, Result, Revision, Select, Str, Watch,
    kind, sim,
};

/// A source that answers as the script says and notes what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
}

enum Answer {
    /// The events; then nothing more comes.
    Open(Vec<Event>),
    /// The events; then the watch ends, with an error or just so.
    Ends(Vec<Event>, Option<Error>),
    /// The watch cannot be opened.
    Refused(Error),
    List(Result<Page>),
}

use Answer::{Ends, List, Open, Refused};

impl Script {
    fn of(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
    }

    fn next(&self, asked: String) -> Answer {
        let answer = self.answers.lock().expect("no test panics twice").pop_front();
        let answer = answer.unwrap_or_else(|| panic!("the script has no answer to: {asked}"));
        self.asked.lock().expect("no test panics twice").push(asked);
        answer
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("no test panics twice"))
    }
}

#[async_trait]
impl Read for Script {
    async fn get(&self, key: &Key, _: Revision) -> Result<Live> {
        panic!("a feed gets nothing, yet it asks for {key}");
    }

    async fn list(&self, _: &Select, page: Option<Str>, _: u32) -> Result<Page> {
        match self.next(format!("list {}", page.as_deref().unwrap_or_default()).trim_end().to_owned()) {
            List(page) => page,
            _ => panic!("the script does not expect a list"),
        }
    }

    async fn watch(&self, _: &Select, from: Option<Revision>) -> Result<Watch> {
        match self.next(from.map_or("watch".into(), |from| format!("watch {from}"))) {
            Open(events) => Ok(stream::iter(events).map(Ok).chain(stream::pending()).boxed()),
            Ends(events, error) => {
                Ok(stream::iter(events).map(Ok).chain(stream::iter(error.map(Err))).boxed())
            }
            Refused(error) => Err(error),
            List(_) => panic!("the script does not expect a watch"),
        }
    }
}

fn node(name: &str, uid: &str, revision: u64) -> Object {
    let tree = json!({"metadata": {"name": name, "uid": uid}});
    let info = Registry::built_in().get(kind::NODES).expect("built in");
    Object::encode(&info, &tree).expect("well formed").at(Revision(revision))
}

/// `a` is created at the revision.
fn put(name: &str, revision: u64) -> Event {
    Event::Changed(Arc::new(Change::new(Revision(revision), Some(node(name, name, revision).into()), None)))
}

fn replaced(name: &str, before: u64, revision: u64) -> Event {
    let before = Some(node(name, name, before));
    Event::Changed(Arc::new(Change::new(Revision(revision), Some(node(name, name, revision).into()), before)))
}

fn progress(revision: u64) -> Event {
    Event::Progress(Revision(revision))
}

fn compacted() -> Error {
    Error::Compacted { requested: Revision(1), oldest: Revision(9) }
}

fn unavailable() -> Error {
    Error::Unavailable { part: "source".into(), why: "the script says so".into() }
}

fn list(items: Vec<Object>, revision: u64) -> Answer {
    List(Ok(Page::new(items, Revision(revision))))
}

/// An event as `sign name@revision of the object`, or the progress.
fn tell(event: &Event) -> String {
    match event {
        Event::Progress(revision) => revision.to_string(),
        Event::Changed(change) => match (&change.before, &change.now) {
            (Some(before), Some(now)) => format!("{before:?}~{}", now.revision()),
            (None, _) => format!("+{:?}", change.object()),
            (_, None) => format!("-{:?}", change.object()),
        },
    }
}

async fn take(feed: &mut Feed, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..count {
        told.push(tell(&feed.next().await).replace("nodes/", ""));
    }
    told
}

fn feed(env: &Env, script: &Arc<Script>) -> Feed {
    Feed::new(Arc::clone(script) as Arc<dyn Read>, env.clone(), Select::kind(kind::NODES))
}

/// What a feed yields of a script, what it asked for, and how long it took.
#[track_caller]
fn check(script: impl IntoIterator<Item = Answer>, yields: &[&str], asks: &[&str]) -> Duration {
    let script = Script::of(script);
    let (told, took) = sim::run(1, |env| {
        let script = Arc::clone(&script);
        async move {
            let mut feed = feed(&env, &script);
            let told = env.timeout(Duration::from_secs(600), take(&mut feed, yields.len())).await;
            let told = told.expect("the feed yields too little");
            assert!(feed.next().now_or_never().is_none(), "the feed yields too much");
            (told, env.elapsed())
        }
    });
    assert_eq!(told, yields);
    assert_eq!(script.asked(), asks);
    took
}

#[test]
fn a_feed_begins_with_the_state_and_goes_on_with_changes() {
    let events = vec![put("a", 1), put("b", 2), progress(3), put("c", 4), replaced("a", 1, 5)];
    check([Open(events)], &["+a@1", "+b@2", "3", "+c@4", "a@1~5"], &["watch"]);
}

#[test]
fn a_watch_that_breaks_off_goes_on_after_what_was_seen() {
    check(
        [
            Ends(vec![put("a", 1), progress(3), put("b", 4)], Some(unavailable())),
            Ends(vec![put("c", 5), progress(7)], None),
            Open(vec![put("d", 8)]),
        ],
        &["+a@1", "3", "+b@4", "+c@5", "7", "+d@8"],
        &["watch", "watch 4", "watch 7"],
    );
}

#[test]
fn a_watch_that_breaks_off_within_the_first_state_is_not_resumed_but_compared() {
    // `b` was older than `c` in the state, though it comes after it by revision: resuming after 7 would lose it.
    check(
        [
            Ends(vec![put("a", 2), put("c", 7)], Some(unavailable())),
            list(vec![node("b", "b", 8), node("c", "c", 7)], 9),
            Open(vec![]),
        ],
        &["+a@2", "+c@7", "-a@2", "+b@8", "9"],
        &["watch", "list", "watch 9"],
    );
}

#[test]
fn compacted_history_is_listed_again_and_told_as_what_differs() {
    let known = vec![put("gone", 1), put("same", 2), put("new-state", 3), put("other", 4), progress(4)];
    let mut other = node("other", "another uid", 8);
    other = other.at(Revision(8));
    check(
        [
            Ends(known, Some(compacted())),
            list(
                vec![
                    node("created", "created", 6),
                    node("new-state", "new-state", 7),
                    other,
                    node("same", "same", 2),
                ],
                12,
            ),
            Open(vec![put("later", 13)]),
        ],
        &[
            "+gone@1",
            "+same@2",
            "+new-state@3",
            "+other@4",
            "4",
            "-gone@1",
            "-other@4",
            "+created@6",
            "new-state@3~7",
            "+other@8",
            "12",
            "+later@13",
        ],
        &["watch", "list", "watch 12"],
    );
}

#[test]
fn history_may_be_compacted_when_the_watch_is_opened_and_while_the_list_is_read() {
    let page = Page::new(vec![node("a", "a", 1)], Revision(8)).followed("more".into(), None);
    let first = Page::new(vec![node("a", "a", 1)], Revision(20)).followed("rest".into(), None);
    check(
        [
            Ends(vec![put("a", 1), progress(2)], None),
            Refused(compacted()),
            List(Ok(page)),
            List(Err(compacted())),
            List(Ok(first)),
            list(vec![node("b", "b", 3)], 20),
            Open(vec![]),
        ],
        &["+a@1", "2", "+b@3", "20"],
        &["watch", "watch 2", "list", "list more", "list", "list rest", "watch 20"],
    );
}

#[test]
fn a_list_that_shows_nothing_new_is_told_as_progress() {
    check(
        [
            Ends(vec![put("a", 1), progress(2)], Some(compacted())),
            list(vec![node("a", "a", 1)], 9),
            Open(vec![]),
        ],
        &["+a@1", "2", "9"],
        &["watch", "list", "watch 9"],
    );
}

#[test]
fn a_source_that_was_restored_from_an_old_copy_is_followed_from_there() {
    let ahead = Error::Ahead { requested: Revision(50), current: Revision(10) };
    check(
        [
            Ends(vec![put("a", 1), put("b", 40), progress(50)], None),
            Refused(ahead),
            list(vec![node("a", "a", 1)], 10),
            Open(vec![put("c", 11)]),
        ],
        &["+a@1", "+b@40", "50", "-b@40", "10", "+c@11"],
        &["watch", "watch 50", "list", "watch 10"],
    );
}

#[test]
fn retries_wait_twice_as_long_each_time_up_to_a_bound() {
    let refusals = |count| std::iter::repeat_with(|| Refused(unavailable())).take(count);
    let begin = [Ends(vec![progress(1)], Some(unavailable()))];
    let took = check(
        begin.into_iter().chain(refusals(4)).chain([Open(vec![progress(2)])]),
        &["1", "2"],
        &["watch", "watch 1", "watch 1", "watch 1", "watch 1", "watch 1"],
    );
    // 10 + 20 + 40 + 80 + 160 ms, and tokio's clock ticks in milliseconds.
    assert!((310..330).contains(&took.as_millis()), "{took:?}");
    let begin = [Ends(vec![progress(1)], None)];
    let took = check(
        begin.into_iter().chain(refusals(15)).chain([Open(vec![progress(2)])]),
        &["1", "2"],
        &std::iter::once("watch").chain(std::iter::repeat_n("watch 1", 16)).collect::<Vec<_>>(),
    );
    assert!(
        (160..162).contains(&took.as_secs()),
        "10 ms doubled eleven times, then 30 s four times: {took:?}"
    );
}

#[test]
fn a_source_that_keeps_compacting_or_ending_is_not_asked_without_a_pause() {
    let compactions = (0..8).flat_map(|_| [Refused(compacted()), list(vec![], 9)]);
    let script =
        [Ends(vec![progress(1)], None)].into_iter().chain(compactions).chain([Open(vec![put("a", 10)])]);
    let yields: Vec<_> = std::iter::once("1").chain(std::iter::repeat_n("9", 8)).chain(["+a@10"]).collect();
    let script: Vec<_> = script.collect();
    let asked: Vec<String> = std::iter::once("watch".to_owned())
        .chain(["watch 1".to_owned(), "list".to_owned()])
        .chain((0..7).flat_map(|_| ["watch 9".to_owned(), "list".to_owned()]))
        .chain(["watch 9".to_owned()])
        .collect();
    let took = check(script, &yields, &asked.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(took > Duration::from_millis(500), "{took:?}");
}

#[test]
fn an_event_ends_the_long_waits() {
    let failing = (0..9).map(|_| Refused(unavailable()));
    let script = [Ends(vec![progress(1)], None)]
        .into_iter()
        .chain(failing)
        .chain([Ends(vec![progress(2)], Some(unavailable())), Open(vec![progress(3)])]);
    let mut asks = vec!["watch"];
    asks.extend(std::iter::repeat_n("watch 1", 10));
    asks.push("watch 2");
    let took = check(script, &["1", "2", "3"], &asks);
    assert!((10_230..10_260).contains(&took.as_millis()), "the last wait is the shortest again: {took:?}");
}

#[test]
fn a_poke_asks_how_far_the_source_is_and_loses_nothing() {
    sim::run(1, |env| async move {
        let script = Script::of([
            Open(vec![put("a", 1), progress(2), put("b", 3)]),
            Open(vec![progress(8)]),
            Open(vec![put("c", 9), progress(9)]),
        ]);
        let mut feed = feed(&env, &script);
        assert_eq!(take(&mut feed, 2).await, ["+a@1", "2"]);
        feed.poker().notify_one();
        assert_eq!(take(&mut feed, 1).await, ["+b@3"], "what is there comes first");
        assert_eq!(take(&mut feed, 1).await, ["8"]);
        feed.poker().notify_one();
        feed.poker().notify_one();
        assert_eq!(take(&mut feed, 2).await, ["+c@9", "9"], "two pokes are one");
        assert!(feed.next().now_or_never().is_none());
        assert_eq!(script.asked(), ["watch", "watch 3", "watch 8"]);
        assert_eq!(feed.revision(), Revision(9));
    });
}

#[test]
fn dropping_a_wait_loses_nothing() {
    sim::run(1, |env| async move {
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        struct Piped(Mutex<Option<futures::channel::mpsc::UnboundedReceiver<Event>>>);
        #[async_trait]
        impl Read for Piped {
            async fn get(&self, key: &Key, _: Revision) -> Result<Live> {
                Err(Error::NotFound { key: key.clone() })
            }
            async fn list(&self, _: &Select, _: Option<Str>, _: u32) -> Result<Page> {
                Ok(Page::default())
            }
            async fn watch(&self, _: &Select, _: Option<Revision>) -> Result<Watch> {
                let receiver = self.0.lock().unwrap().take().expect("one watch is enough");
                Ok(receiver.map(Ok).boxed())
            }
        }
        let mut feed = Feed::new(Arc::new(Piped(Mutex::new(Some(receiver)))), env.clone(), Select::default());
        assert!(feed.next().now_or_never().is_none());
        for event in [put("a", 1), progress(1), put("b", 2)] {
            assert!(feed.next().now_or_never().is_none());
            sender.unbounded_send(event).unwrap();
            assert_eq!(take(&mut feed, 1).await.len(), 1);
        }
        assert_eq!(feed.revision(), Revision(2));
        let mut stream = feed.into_stream();
        assert!(stream.next().now_or_never().is_none());
        sender.unbounded_send(progress(7)).unwrap();
        assert_eq!(tell(&stream.next().await.unwrap()), "7");
    });
}

#[test]
fn a_feed_is_no_further_than_what_it_has_yielded() {
    sim::run(1, |env| async move {
        let known = vec![put("gone", 1), put("kept", 2), progress(4)];
        let listed = vec![node("a", "a", 6), node("b", "b", 9), node("kept", "kept", 8)];
        let script = Script::of([Ends(known, Some(compacted())), list(listed, 12), Open(vec![])]);
        let mut feed = feed(&env, &script);
        take(&mut feed, 3).await;
        // Changes that a list shows, each with the oldest revision that is still to be told of.
        for (expected, unseen) in [("-gone@1", 6), ("+a@6", 8), ("kept@2~8", 9), ("+b@9", 12)] {
            assert_eq!(take(&mut feed, 1).await, [expected]);
            assert!(feed.revision() < Revision(unseen), "{} after {expected}", feed.revision());
        }
        assert_eq!(take(&mut feed, 1).await, ["12"]);
        assert_eq!(feed.revision(), Revision(12));
    });
}
