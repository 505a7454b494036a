//! What the answer to a question is, from the table alone.
//!
//! Pure but for the turn that addresses take. Invariant: a name that exists is never denied, whatever type is asked for.

use std::net::IpAddr;

use hickory_server::proto::op::{Query, ResponseCode};
use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, PTR, SOA, SRV, TXT};
use hickory_server::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use orch_core::network::CLUSTER_DOMAIN;

use crate::{Names, Records};

/// How long answers may be kept, as CoreDNS' `kubernetes` plugin has it: endpoints come and go.
const TTL: u32 = 5;
/// Aliases followed within the cluster in one answer.
const MAX_ALIASES: usize = 8;
/// The version of the DNS specification that holds here.
const SPECIFICATION: &str = "1.1.0";

/// The sections of an answer.
pub(super) struct Answer {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<Record>,
    pub(super) authority: Vec<Record>,
    pub(super) additionals: Vec<Record>,
}

impl Answer {
    /// An answer that says no more than that.
    pub(super) fn failed(code: ResponseCode) -> Self {
        Self { code, answers: Vec::new(), authority: Vec::new(), additionals: Vec::new() }
    }
}

/// The answer to one question.
pub(super) fn answer(names: &Names, query: &Query) -> Answer {
    let (asked, class) = (query.name().to_ascii(), query.query_class());
    if !Names::is_ours(&asked) || !matches!(class, DNSClass::IN | DNSClass::ANY) {
        return Answer::failed(ResponseCode::Refused);
    }
    let mut answer = Answer::failed(ResponseCode::NoError);
    if asked.trim_end_matches('.').eq_ignore_ascii_case(&format!("dns-version.{CLUSTER_DOMAIN}")) {
        if matches!(query.query_type(), RecordType::TXT | RecordType::ANY) {
            let version = RData::TXT(TXT::new(vec![SPECIFICATION.to_owned()]));
            answer.answers.push(Record::from_rdata(query.name().clone(), TTL, version));
        }
    } else if let Some(records) = names.get(&asked) {
        collect(names, query, records, &mut answer);
    } else {
        answer.code = ResponseCode::NXDomain;
    }
    if answer.answers.is_empty() {
        answer.authority.extend(soa());
    }
    answer
}

/// Adds what the name stands for, aliases followed as long as they stay in the cluster.
fn collect(names: &Names, query: &Query, mut records: Records, answer: &mut Answer) {
    let mut owner = query.name().clone();
    for _ in 0..MAX_ALIASES {
        let Some((alias, target)) = records.alias.as_ref().and_then(|alias| Some((alias, name(alias)?)))
        else {
            break;
        };
        answer.answers.push(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(target.clone()))));
        let next = names.get(alias).filter(|_| query.query_type() != RecordType::CNAME);
        let Some(next) = next else { return };
        (owner, records) = (target, next);
    }
    let wants = |kind: RecordType| query.query_type() == kind || query.query_type() == RecordType::ANY;
    answer.answers.extend(addresses(names, &owner, &records, wants));
    if wants(RecordType::SRV) {
        for target in &records.services {
            let Some(host) = name(&target.host) else { continue };
            let srv = SRV::new(0, 100, target.port, host.clone());
            answer.answers.push(Record::from_rdata(owner.clone(), TTL, RData::SRV(srv)));
            let known = names.get(&target.host).unwrap_or_default();
            answer.additionals.extend(addresses(names, &host, &known, |_| true));
        }
    }
    if wants(RecordType::PTR) {
        let pointers = records.pointers.iter().filter_map(|pointer| name(pointer));
        answer.answers.extend(pointers.map(|to| Record::from_rdata(owner.clone(), TTL, RData::PTR(PTR(to)))));
    }
}

fn addresses(
    names: &Names,
    owner: &Name,
    records: &Records,
    wants: impl Fn(RecordType) -> bool,
) -> Vec<Record> {
    let record = |address: IpAddr| match address {
        IpAddr::V4(address) => wants(RecordType::A).then_some(RData::A(A(address))),
        IpAddr::V6(address) => wants(RecordType::AAAA).then_some(RData::AAAA(AAAA(address))),
    };
    let rotated = names.rotated(records.addresses.clone()).into_iter();
    rotated.filter_map(record).map(|data| Record::from_rdata(owner.clone(), TTL, data)).collect()
}

/// A name that cannot be written in DNS has no records.
fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// Who denies, and for how long that may be kept.
fn soa() -> Option<Record> {
    let (zone, server, contact) = (
        name(CLUSTER_DOMAIN)?,
        name(&format!("ns.dns.{CLUSTER_DOMAIN}"))?,
        name(&format!("hostmaster.{CLUSTER_DOMAIN}"))?,
    );
    let soa = SOA::new(server, contact, 1, 7200, 1800, 86_400, TTL);
    Some(Record::from_rdata(zone, TTL, RData::SOA(soa)))
}

#[cfg(test)]
mod tests {
    use orch_core::Str;

    use super::*;
    use crate::Target;

    fn names() -> Names {
        let names = Names::default();
        let a = |last: u8| Records { addresses: vec![[10, 0, 0, last].into()], ..Records::default() };
        let srv = Records {
            services: vec![Target { host: "db-0.db.shop.svc.cluster.local".into(), port: 5432 }],
            ..Records::default()
        };
        let db: [(Str, Records); 3] = [("".into(), a(1)), ("db-0".into(), a(2)), ("_sql._tcp".into(), srv)];
        names.replace("shop", "db", db.into());
        let alias = |name: &str| Records { alias: Some(name.into()), ..Records::default() };
        names.replace("shop", "near", [("".into(), alias("db.shop.svc.cluster.local"))].into());
        names.replace("shop", "far", [("".into(), alias("db.example.com"))].into());
        names.replace("shop", "loop", [("".into(), alias("loop.shop.svc.cluster.local"))].into());
        names
    }

    #[track_caller]
    fn check(asked: &str, kind: RecordType, code: ResponseCode, expected: &[&str]) {
        let answer = answer(&names(), &Query::query(name(asked).unwrap(), kind));
        let found: Vec<_> = answer.answers.iter().map(|record| record.data.to_string()).collect();
        assert_eq!(
            (answer.code, found),
            (code, expected.iter().map(|text| (*text).to_owned()).collect()),
            "{asked}"
        );
        let denies = expected.is_empty() && code != ResponseCode::Refused;
        assert_eq!(!answer.authority.is_empty(), denies, "{asked}");
    }

    #[test]
    fn records_are_answered_by_type() {
        use ResponseCode::NoError;
        check("db.shop.svc.cluster.local", RecordType::A, NoError, &["10.0.0.1"]);
        check("DB.shop.svc.cluster.local.", RecordType::A, NoError, &["10.0.0.1"]);
        check("db.shop.svc.cluster.local", RecordType::AAAA, NoError, &[]);
        check("db.shop.svc.cluster.local", RecordType::ANY, NoError, &["10.0.0.1"]);
        check("10-1-2-3.shop.pod.cluster.local", RecordType::A, NoError, &["10.1.2.3"]);
        let srv = "0 100 5432 db-0.db.shop.svc.cluster.local.";
        check("_sql._tcp.db.shop.svc.cluster.local", RecordType::SRV, NoError, &[srv]);
        check("_sql._tcp.db.shop.svc.cluster.local", RecordType::A, NoError, &[]);
        check("2.0.0.10.in-addr.arpa", RecordType::PTR, NoError, &["db-0.db.shop.svc.cluster.local."]);
        check("dns-version.cluster.local", RecordType::TXT, NoError, &["1.1.0"]);
    }

    #[test]
    fn aliases_are_followed_within_the_cluster() {
        use ResponseCode::NoError;
        let target = "db.shop.svc.cluster.local.";
        check("near.shop.svc.cluster.local", RecordType::A, NoError, &[target, "10.0.0.1"]);
        check("near.shop.svc.cluster.local", RecordType::CNAME, NoError, &[target]);
        check("far.shop.svc.cluster.local", RecordType::A, NoError, &["db.example.com."]);
        let answer =
            answer(&names(), &Query::query(name("loop.shop.svc.cluster.local").unwrap(), RecordType::A));
        assert_eq!(answer.answers.len(), MAX_ALIASES);
    }

    #[test]
    fn an_srv_answer_brings_the_addresses_along() {
        let query = Query::query(name("_sql._tcp.db.shop.svc.cluster.local").unwrap(), RecordType::SRV);
        let additionals = answer(&names(), &query).additionals;
        assert_eq!(
            additionals.iter().map(|record| record.data.to_string()).collect::<Vec<_>>(),
            ["10.0.0.2"]
        );
    }

    #[test]
    fn names_that_do_not_exist_are_denied_and_others_are_not_ours() {
        check("none.shop.svc.cluster.local", RecordType::A, ResponseCode::NXDomain, &[]);
        check("shop.svc.cluster.local", RecordType::A, ResponseCode::NoError, &[]);
        check("example.com", RecordType::A, ResponseCode::Refused, &[]);
    }
}
