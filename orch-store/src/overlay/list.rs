//! Lists of a layer: its own objects and those below that it does not hide, merged page by page.
//!
//! A page token says where both lists go on. Invariant: a page never begins amid one of the store below, so that no object
//! below is asked for twice.

use std::collections::VecDeque;

use orch_core::{Error, Key, Object, Page, Result, Revision, Select, Str};
use serde::{Deserialize, Serialize};

use super::{Covered, Layer};
use crate::mem::Place;
use crate::page;

/// Where the list below goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Below {
    Start,
    After(Str),
    End,
}

#[derive(Serialize, Deserialize)]
struct Says<'a>(Revision, Below, Option<Place<'a>>);

/// Where a list goes on.
struct Position {
    revision: Revision,
    below: Below,
    after: Option<Key>,
}

/// Objects of both lists up to a key, in order. Complete up to the first that were asked for, which is all that is used.
struct Merged {
    items: Vec<Object>,
    /// Whether the layer has more objects there than were asked for.
    more: bool,
}

impl Layer {
    pub(super) async fn page(
        &self,
        covered: &Covered,
        what: &Select,
        page: Option<Str>,
        limit: u32,
    ) -> Result<Page> {
        let mut at = self.position(what, page)?;
        let room = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        let (mut items, mut ask) = (Vec::new(), limit);
        loop {
            let part = self.part_below(what, &at.below, ask).await?;
            let bound = part.items.last().filter(|_| part.next.is_some()).map(|object| object.key().clone());
            if part.items.is_empty() && part.next.is_some() {
                at.below = part.next.map_or(Below::End, Below::After);
                continue;
            }
            let want = room - items.len();
            let mut merged = self.merge(covered, what, &at, &part.items, bound.as_ref(), want)?;
            if merged.items.len() > want || merged.more {
                merged.items.truncate(want);
                let last = merged.items.last().map(|object| object.key().clone());
                let used = part.items.iter().take_while(|object| Some(object.key()) <= last.as_ref()).count();
                if 0 < used && used < part.items.len() {
                    // Ask again for as many as fit, so that the token below stands behind them.
                    ask = u32::try_from(used).unwrap_or(u32::MAX);
                    continue;
                }
                if used > 0 {
                    at.below = part.next.map_or(Below::End, Below::After);
                }
                items.extend(merged.items);
                at.after = last;
                return Ok(followed(items, &at, what));
            }
            items.extend(merged.items);
            let Some(next) = part.next else { return Ok(Page::new(items, at.revision)) };
            (at.below, at.after) = (Below::After(next), bound);
            if items.len() == room {
                return Ok(followed(items, &at, what));
            }
            ask = if limit == 0 { 0 } else { u32::try_from(room - items.len()).unwrap_or(u32::MAX) };
        }
    }

    fn position(&self, what: &Select, page: Option<Str>) -> Result<Position> {
        let current = self.top.revision();
        let Some(token) = page else {
            return Ok(Position { revision: current, below: Below::Start, after: None });
        };
        let Says(revision, below, place) = page::open(&token, what)?;
        if revision > current || revision < self.origin {
            return Err(Error::BadPage);
        }
        let after = place.map(|place| place.key(&self.registry)).transpose()?;
        Ok(Position { revision, below, after })
    }

    async fn part_below(&self, what: &Select, below: &Below, limit: u32) -> Result<Page> {
        match below {
            Below::Start => self.base.list(what, None, limit).await,
            Below::After(token) => self.base.list(what, Some(token.clone()), limit).await,
            Below::End => Ok(Page::default()),
        }
    }

    /// The layer's first `want` objects behind the position and those below that it does not hide, up to `bound`.
    fn merge(
        &self,
        covered: &Covered,
        what: &Select,
        at: &Position,
        below: &[Object],
        bound: Option<&Key>,
        want: usize,
    ) -> Result<Merged> {
        let (own, more) = self.top.part(what, at.revision, at.after.clone(), want)?;
        let more = more && own.last().is_some_and(|last| bound.is_none_or(|bound| last.key() <= bound));
        let mut own: VecDeque<Object> =
            own.into_iter().filter(|object| bound.is_none_or(|bound| object.key() <= bound)).collect();
        let hidden =
            |key: &Key| covered.contains_key(key) || at.after.as_ref().is_some_and(|after| key <= after);
        let mut items = Vec::with_capacity(own.len() + below.len());
        for object in below.iter().filter(|object| !hidden(object.key())) {
            while own.front().is_some_and(|front| front.key() < object.key()) {
                items.extend(own.pop_front());
            }
            items.push(object.clone());
        }
        items.extend(own);
        Ok(Merged { items, more })
    }
}

fn followed(items: Vec<Object>, at: &Position, what: &Select) -> Page {
    let says = Says(at.revision, at.below.clone(), at.after.as_ref().map(Place::from));
    Page::new(items, at.revision).followed(page::seal(&says, what), None)
}
