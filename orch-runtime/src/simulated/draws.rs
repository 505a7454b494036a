//! What is drawn for a container, and the streams it is drawn from.
//!
//! A stream is a SplitMix64 that begins at a hash of one draw of the runtime's [`Env`](orch_core::Env) and of whom it is
//! for: eight bytes a stream, so that every container has its own. Invariants: one container's draws move no other's; and
//! as every draw of a life is made, in one order, changing one setting moves no other draw.

use std::time::Duration;

use orch_core::Str;

use super::{Profile, Span};

/// A stream of random numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream(u64);

impl Stream {
    /// The stream of whom these words name.
    pub(super) fn new(seed: u64, words: &[&str]) -> Self {
        let byte = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        // 0xff is in no text: it keeps the words apart.
        let word = |hash: u64, word: &&str| byte(word.bytes().fold(hash, byte), 0xff);
        Self(mix(seed ^ words.iter().fold(0xcbf2_9ce4_8422_2325, word)))
    }

    /// A stream of its own for one purpose.
    pub(super) fn fork(self, purpose: &str) -> Self {
        Self::new(self.0, &[purpose])
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Below the bound; 0 when that is 0.
    fn below(&mut self, bound: u64) -> u64 {
        // The high half of a product: a bias below 2^-32 for the bounds in use.
        let product = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(u64::MAX)
    }

    /// Whether it happens, with that probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        const ONE: f64 = (1_u64 << 53) as f64;
        ((self.draw() >> 11) as f64) / ONE < probability
    }

    pub(super) fn span(&mut self, span: &Span) -> Duration {
        let nanos = u64::try_from((span.longest() - span.shortest()).as_nanos()).unwrap_or(u64::MAX);
        span.shortest() + Duration::from_nanos(self.below(nanos))
    }

    fn pick(&mut self, codes: &[i32]) -> i32 {
        let at = usize::try_from(self.below(codes.len() as u64)).unwrap_or_default();
        codes.get(at).copied().unwrap_or_default()
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// What a container will do, drawn before it starts.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) start_latency: Duration,
    pub(super) start_fails: bool,
    pub(super) runs_for: Option<Duration>,
    /// When it ends by itself.
    pub(super) code: i32,
    pub(super) stop_latency: Duration,
    pub(super) ignores_stop: bool,
    pub(super) ready_after: Duration,
    pub(super) hangs: bool,
    pub(super) probe_fails: f64,
    pub(super) prints: u32,
    pub(super) reports: bool,
    pub(super) last_word: Option<Str>,
    /// Whether the program can end with success.
    succeeds: bool,
    /// What goes on being drawn: answers to probes.
    pub(super) answers: Stream,
}

impl Life {
    pub(super) fn draw(profile: &Profile, mut stream: Stream) -> Self {
        Self {
            start_latency: stream.span(&profile.start_latency),
            start_fails: stream.chance(profile.start_fails),
            runs_for: {
                let drawn = stream.span(&profile.runs_for.unwrap_or_default());
                profile.runs_for.map(|_| drawn)
            },
            code: stream.pick(&profile.exit_codes),
            stop_latency: stream.span(&profile.stop_latency),
            ignores_stop: stream.chance(profile.ignores_stop),
            ready_after: stream.span(&profile.ready_after),
            hangs: stream.chance(profile.hangs),
            probe_fails: profile.probe_fails,
            prints: profile.prints,
            reports: profile.reports,
            last_word: profile.last_word.clone(),
            succeeds: profile.exit_codes.is_empty() || profile.exit_codes.contains(&0),
            answers: stream,
        }
    }

    /// From now on it works: a program that would end with a failure ends with success, or goes on if it never can.
    pub(super) fn heal(&mut self) {
        if self.code != 0 {
            self.code = 0;
            self.runs_for = self.runs_for.filter(|_| self.succeeds);
        }
        (self.start_fails, self.ignores_stop, self.hangs, self.probe_fails) = (false, false, false, 0.0);
    }
}

/// What a pull of an image will do.
pub(super) struct Pull {
    pub(super) latency: Duration,
    pub(super) fails: bool,
}

impl Pull {
    pub(super) fn draw(latency: &Span, fails: f64, mut stream: Stream) -> Self {
        Self { latency: stream.span(latency), fails: stream.chance(fails) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_whom_it_is_for() {
        let draw = |seed, words: &[&str]| Stream::new(seed, words).draw();
        assert_eq!(draw(1, &["a", "b"]), draw(1, &["a", "b"]));
        assert_ne!(draw(1, &["a", "b"]), draw(2, &["a", "b"]));
        assert_ne!(draw(1, &["a", "b"]), draw(1, &["ab"]));
        assert_ne!(draw(1, &["a", "b"]), draw(1, &["a", "b", ""]));
    }

    #[test]
    fn chances_come_out() {
        let mut stream = Stream::new(7, &[]);
        let hits = (0..10_000).filter(|_| stream.chance(0.3)).count();
        assert!((2_800..3_200).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| stream.chance(1.0) && !stream.chance(0.0)));
    }

    #[test]
    fn spans_are_drawn_between_their_bounds() {
        let mut stream = Stream::new(7, &[]);
        let (from, to) = (Duration::from_secs(1), Duration::from_secs(5));
        let drawn: Vec<_> = (0..1_000).map(|_| stream.span(&(from..to).into())).collect();
        assert!(drawn.iter().all(|span| (from..to).contains(span)));
        let mean = drawn.iter().sum::<Duration>() / 1_000;
        assert!((Duration::from_millis(2_800)..Duration::from_millis(3_200)).contains(&mean), "{mean:?}");
        assert_eq!(stream.span(&from.into()), from);
    }

    #[test]
    fn one_setting_moves_no_other_draw() {
        let many = Profile::default()
            .runs_for(Duration::ZERO..Duration::from_secs(9))
            .ready_after(Duration::ZERO..Duration::from_secs(9));
        let life = |profile: &Profile| Life::draw(profile, Stream::new(3, &["a"]));
        let (one, other) =
            (life(&many), life(&many.clone().start_latency(Duration::from_secs(1)).exit_codes([1, 2, 3])));
        assert_ne!(one.start_latency, other.start_latency);
        assert_eq!((one.runs_for, one.ready_after), (other.runs_for, other.ready_after));
    }
}
