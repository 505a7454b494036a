//! The vocabulary of orch: objects and keys, the traits of every part of a cluster, the environment they run in, the one
//! loop.
//!
//! It knows no engine, no REST and no kind's schema. The parts meet here: store and Api ([`Store`], [`Api`], both
//! [`Read`]), scheduler ([`scheduler::Scheduler`]), controllers ([`controller::Controller`]), runtime
//! ([`runtime::Runtime`]) and network ([`network::Network`]).

pub mod api;
pub mod controller;
pub mod engine;
mod env;
mod error;
mod feed;
mod informer;
mod key;
pub mod kind;
mod logs;
pub mod names;
pub mod network;
pub mod object;
pub mod quantity;
mod read;
mod record;
mod registry;
pub mod runtime;
pub mod scheduler;
pub mod selector;
#[cfg(feature = "sim")]
pub mod sim;
mod store;
mod typed;
pub mod view;

pub use api::{
    Api, ApiExt, Conflicts, DeleteOptions, DryRun, FieldValidation, Patch, Precondition, Propagation, User,
    Verb, Write, WriteOptions,
};
pub use env::{Activity, Env, Part, Task};
pub use error::{
    ConflictCause, DisruptionCause, Error, Fault, FaultKind, FieldConflict, PatchFault, Reason, Result,
    WriteOutcome,
};
pub use feed::Feed;
pub use informer::{Informer, Poker};
pub use key::{Key, Revision, Str};
pub use kind::Kind;
pub use logs::{LogOptions, PodLogs};
pub use object::{Header, Live, Object, OwnerReference};
pub use quantity::Quantity;
pub use read::{Change, Event, Page, Read, Select, Watch, Watches};
pub use record::{Recorder, rfc3339, rfc3339_micro};
pub use registry::{KindInfo, Registry, Scope, Subresource, Taken, reviews};
pub use store::{Expect, Put, Store};
pub use typed::Objects;
