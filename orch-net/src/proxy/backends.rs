//! Which endpoint gets the next connection of a service port.
//!
//! Pure: no clock, no I/O. Invariants: an endpoint that is not in the set gets no new connection; of those that are, the
//! one with the fewest open connections is chosen, and those that have equally few take turns.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::facts::Endpoint;

/// Clients whose endpoint is remembered. Beyond, the one that was away longest is forgotten: a client costs about 100 bytes.
const MAX_CLIENTS: usize = 10_000;

/// The endpoints of one service port and how busy they are.
#[derive(Debug, Default)]
pub(super) struct Backends {
    /// Sorted.
    usable: Vec<SocketAddr>,
    /// Endpoints that are no longer usable stay until their last connection ends.
    open: BTreeMap<SocketAddr, usize>,
    last: Option<SocketAddr>,
    affinity: Option<Duration>,
    clients: BTreeMap<IpAddr, Stay>,
}

/// Where a client is and since when it was not seen.
#[derive(Clone, Copy, Debug)]
struct Stay {
    backend: SocketAddr,
    seen: Duration,
}

impl Backends {
    /// From now on these get new connections. Open ones go on.
    pub(super) fn set(&mut self, mut usable: Vec<SocketAddr>, affinity: Option<Duration>) {
        usable.sort_unstable();
        usable.dedup();
        self.usable = usable;
        self.affinity = affinity;
        let usable = &self.usable;
        self.clients.retain(|_, stay| affinity.is_some() && usable.binary_search(&stay.backend).is_ok());
    }

    /// Whether nobody could get a connection.
    pub(super) fn is_empty(&self) -> bool {
        self.usable.is_empty()
    }

    /// Chooses an endpoint that was not tried yet and counts a connection to it, until [`Backends::close`].
    pub(super) fn choose(
        &mut self,
        client: IpAddr,
        now: Duration,
        tried: &[SocketAddr],
    ) -> Option<SocketAddr> {
        let backend =
            self.stay(client, now).filter(|stay| !tried.contains(stay)).or_else(|| self.least(tried))?;
        *self.open.entry(backend).or_default() += 1;
        self.remember(client, backend, now);
        Some(backend)
    }

    /// A connection has ended, or was not made.
    pub(super) fn close(&mut self, backend: SocketAddr) {
        if let Some(open) = self.open.get_mut(&backend) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&backend);
            }
        }
    }

    fn least(&mut self, tried: &[SocketAddr]) -> Option<SocketAddr> {
        let busy = |backend: &SocketAddr| self.open.get(backend).copied().unwrap_or_default();
        let after = self.last.map_or(0, |last| self.usable.partition_point(|backend| *backend <= last));
        let (before, after) = self.usable.split_at(after);
        let candidates = after.iter().chain(before).filter(|backend| !tried.contains(backend));
        // Of several least ones this is the first.
        let found = candidates.min_by_key(|backend| busy(backend)).copied();
        self.last = found.or(self.last);
        found
    }

    fn stay(&self, client: IpAddr, now: Duration) -> Option<SocketAddr> {
        let (affinity, stay) = (self.affinity?, self.clients.get(&client)?);
        (now.saturating_sub(stay.seen) < affinity).then_some(stay.backend)
    }

    fn remember(&mut self, client: IpAddr, backend: SocketAddr, now: Duration) {
        if self.affinity.is_none() {
            return;
        }
        if self.clients.len() >= MAX_CLIENTS
            && !self.clients.contains_key(&client)
            && let Some(oldest) =
                self.clients.iter().min_by_key(|(_, stay)| stay.seen).map(|(client, _)| *client)
        {
            self.clients.remove(&oldest);
        }
        self.clients.insert(client, Stay { backend, seen: now });
    }
}

/// The endpoints that get connections: the ready ones; if there is none, those that still serve while they terminate
/// (KEP-1669, `pkg/proxy/topology.go`).
pub(super) fn usable<'a>(endpoints: impl IntoIterator<Item = (&'a Endpoint, u16)>) -> Vec<SocketAddr> {
    let (mut ready, mut serving) = (Vec::new(), Vec::new());
    for (endpoint, port) in endpoints {
        // The addresses of an endpoint are alternatives for the same thing (`staging/src/k8s.io/api/discovery/v1`).
        let Some(address) = endpoint.addresses.first() else { continue };
        let address = SocketAddr::new(*address, port);
        if endpoint.is_ready {
            ready.push(address);
        } else if endpoint.is_serving && endpoint.is_terminating {
            serving.push(address);
        }
    }
    if ready.is_empty() { serving } else { ready }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn backend(last: u8) -> SocketAddr {
        SocketAddr::new([10, 0, 0, last].into(), 80)
    }

    fn client(last: u8) -> IpAddr {
        [10, 9, 0, last].into()
    }

    fn backends(lasts: &[u8]) -> Backends {
        let mut backends = Backends::default();
        backends.set(lasts.iter().copied().map(backend).collect(), None);
        backends
    }

    fn choose(backends: &mut Backends) -> Option<SocketAddr> {
        backends.choose(client(1), Duration::ZERO, &[])
    }

    #[test]
    fn equals_take_turns() {
        let mut backends = backends(&[3, 1, 2]);
        let chosen: Vec<_> = (0..4).filter_map(|_| choose(&mut backends)).collect();
        assert_eq!(chosen, [backend(1), backend(2), backend(3), backend(1)]);
        for backend in chosen {
            backends.close(backend);
        }
        assert_eq!(choose(&mut backends), Some(backend(2)), "nobody is busy: the turn goes on");
    }

    #[test]
    fn the_least_busy_is_chosen() {
        let mut backends = backends(&[1, 2, 3]);
        for _ in 0..6 {
            choose(&mut backends);
        }
        backends.close(backend(2));
        assert_eq!(choose(&mut backends), Some(backend(2)));
    }

    #[test]
    fn what_was_tried_is_not_tried_again() {
        let mut backends = backends(&[1, 2]);
        let first = backends.choose(client(1), Duration::ZERO, &[]).unwrap();
        let second = backends.choose(client(1), Duration::ZERO, &[first]).unwrap();
        assert_ne!(first, second);
        assert_eq!(backends.choose(client(1), Duration::ZERO, &[first, second]), None);
    }

    #[test]
    fn a_client_stays_until_its_time_or_its_endpoint_is_over() {
        let mut backends = Backends::default();
        let (minute, both) = (Duration::from_secs(60), vec![backend(1), backend(2)]);
        backends.set(both.clone(), Some(minute));
        let first = backends.choose(client(1), Duration::ZERO, &[]).unwrap();
        let mut at = |seconds| backends.choose(client(1), Duration::from_secs(seconds), &[]).unwrap();
        assert_eq!([at(59), at(118)], [first, first], "each connection begins the time anew");
        let other = at(178);
        assert_ne!(other, first);
        backends.set(both.into_iter().filter(|backend| *backend != other).collect(), Some(minute));
        assert_eq!(backends.choose(client(1), Duration::from_secs(179), &[]), Some(first));
    }

    #[test]
    fn so_many_clients_are_remembered() {
        let mut backends = Backends::default();
        backends.set(vec![backend(1)], Some(Duration::from_secs(60)));
        for number in 0..u32::try_from(MAX_CLIENTS).unwrap() + 5 {
            let client = IpAddr::from(number.to_be_bytes());
            backends.choose(client, Duration::from_millis(number.into()), &[]);
        }
        assert_eq!(backends.clients.len(), MAX_CLIENTS);
        assert!(!backends.clients.contains_key(&IpAddr::from([0, 0, 0, 4])));
    }

    fn endpoint(last: u8, is_ready: bool, is_serving: bool, is_terminating: bool) -> Endpoint {
        Endpoint {
            addresses: vec![[10, 0, 0, last].into()],
            hostname: None,
            is_ready,
            is_serving,
            is_terminating,
        }
    }

    #[track_caller]
    fn check(endpoints: &[Endpoint], expected: &[u8]) {
        let found = usable(endpoints.iter().map(|endpoint| (endpoint, 80)));
        assert_eq!(found, expected.iter().copied().map(backend).collect::<Vec<_>>());
    }

    #[test]
    fn ready_ones_go_before_those_that_serve_while_they_terminate() {
        let (ready, serving) = (endpoint(1, true, true, false), endpoint(2, false, true, true));
        let (starting, dying) = (endpoint(3, false, false, false), endpoint(4, false, false, true));
        check(&[serving.clone(), ready.clone(), starting.clone()], &[1]);
        check(&[starting.clone(), serving, dying.clone()], &[2]);
        check(&[starting, dying], &[]);
        check(&[], &[]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(Vec<u8>),
        Open(u8),
        Close(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            1 => proptest::collection::vec(0_u8..6, 0..6).prop_map(Step::Set),
            4 => (0_u8..4).prop_map(Step::Open),
            3 => (0_usize..20).prop_map(Step::Close),
        ]
    }

    proptest! {
        /// Whatever comes and goes: the choice is usable and nobody usable is less busy; counts are exact.
        #[test]
        fn the_choice_is_usable_and_nobody_is_less_busy(steps in proptest::collection::vec(step(), 0..100)) {
            let (mut backends, mut usable, mut open) = (Backends::default(), Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Set(lasts) => {
                        usable = lasts.into_iter().map(backend).collect();
                        backends.set(usable.clone(), None);
                    }
                    Step::Open(from) => {
                        let count = |of: &SocketAddr| open.iter().filter(|backend| *backend == of).count();
                        let least = usable.iter().map(count).min();
                        let chosen = backends.choose(client(from), Duration::ZERO, &[]);
                        prop_assert_eq!(chosen.as_ref().map(count), least);
                        if let Some(chosen) = chosen {
                            prop_assert!(usable.contains(&chosen));
                            open.push(chosen);
                        }
                    }
                    Step::Close(which) if which < open.len() => backends.close(open.remove(which)),
                    Step::Close(_) => {}
                }
                prop_assert_eq!(backends.open.values().sum::<usize>(), open.len());
            }
        }
    }
}
