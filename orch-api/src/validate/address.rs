//! IP addresses and blocks of them, as strictly as 1.36 reads them.
//!
//! Upstream parses leniently first (leading zeros) and says then what is wrong with the spelling
//! (`staging/src/k8s.io/apimachinery/pkg/util/validation/ip.go`, gate `StrictIPCIDRValidation`). Not a network: no
//! address is looked up or allocated here.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::at::{At, quote};

/// The address that a text means, leading zeros allowed.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| sloppy_v4(text).map(IpAddr::V4))
}

fn sloppy_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        *octet = digits(part)?.parse().ok()?;
    }
    parts.next().is_none().then(|| octets.into())
}

/// Decimal digits without the zeros before them.
fn digits(text: &str) -> Option<&str> {
    let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let rest = text.trim_start_matches('0');
    valid.then_some(if rest.is_empty() { "0" } else { rest })
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

/// Whether Kubernetes counts it to IPv6: mapped addresses are IPv4.
pub(super) fn is_v6(ip: IpAddr) -> bool {
    ip.is_ipv6() && !is_mapped(ip)
}

/// The text must be an IP address in strict spelling; the address if it is any. What `existing` holds may stay.
pub(super) fn ip(at: &At<'_, '_>, existing: &BTreeSet<&str>) -> Option<IpAddr> {
    let text = at.text();
    let parsed = parse(text);
    if existing.contains(text) {
        return parsed;
    }
    let Some(ip) = parsed else {
        at.invalid_text("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        return None;
    };
    if text.parse::<IpAddr>().is_err() {
        at.invalid_text("must not have leading 0s");
    }
    if is_mapped(ip) {
        at.invalid_text("must not be an IPv4-mapped IPv6 address");
    }
    Some(ip)
}

/// As [`ip`], and written in the canonical form; `None` after any fault.
pub(super) fn canonical_ip(at: &At<'_, '_>) -> Option<IpAddr> {
    let before = at.faults().count();
    let ip = ip(at, &BTreeSet::new())?;
    if at.faults().count() == before && at.text() != ip.to_string() {
        at.invalid_text(format!("must be in canonical form ({})", quote(&ip.to_string())));
    }
    (at.faults().count() == before).then_some(ip)
}

/// The text must be a block of addresses in strict spelling; the address before the slash if it is any.
pub(super) fn cidr(at: &At<'_, '_>, text: &str, existing: &BTreeSet<&str>) -> Option<IpAddr> {
    let parsed = parse_cidr(text);
    if existing.contains(text) {
        return parsed.map(|(ip, _)| ip);
    }
    let Some((ip, prefix)) = parsed else {
        at.invalid_as(quote(text), "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        return None;
    };
    if text != format!("{ip}/{prefix}") && has_leading_zeros(text) {
        at.invalid_as(quote(text), "must not have leading 0s in IP or prefix length");
    } else if is_mapped(ip) {
        at.invalid_as(quote(text), "must not have an IPv4-mapped IPv6 address");
    } else if has_host_bits(ip, prefix) {
        at.invalid_as(quote(text), "must not have bits set beyond the prefix length");
    }
    Some(ip)
}

/// The block that a text means: an address and the length of its prefix, leading zeros allowed.
pub(crate) fn parse_cidr(text: &str) -> Option<(IpAddr, u32)> {
    let (ip, prefix) = text.split_once('/')?;
    let ip = parse(ip)?;
    let prefix: u32 = digits(prefix)?.parse().ok()?;
    (prefix <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, prefix))
}

/// The address of an interface: with the length of its prefix, in the canonical form (`IsValidInterfaceAddress`).
pub(super) fn interface(at: &At<'_, '_>) {
    let Some((ip, prefix)) = parse_cidr(at.text()) else {
        return at.invalid_text("must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)");
    };
    let canonical = match ip.to_canonical() {
        ip if ip.is_ipv4() && prefix > 32 => format!("{ip}/{}", prefix.saturating_sub(96)),
        ip => format!("{ip}/{prefix}"),
    };
    if at.text() != canonical {
        at.invalid_text(format!("must be in canonical form ({})", quote(&canonical)));
    }
}

/// Whether a block holds an address.
pub(super) fn contains((ip, prefix): (IpAddr, u32), other: IpAddr) -> bool {
    match (ip, other) {
        (IpAddr::V4(ip), IpAddr::V4(other)) => {
            (ip.to_bits() ^ other.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(other)) => {
            (ip.to_bits() ^ other.to_bits()).checked_shr(128 - prefix).unwrap_or(0) == 0
        }
        _ => false,
    }
}

fn has_leading_zeros(cidr: &str) -> bool {
    let Some((ip, prefix)) = cidr.split_once('/') else { return false };
    ip.parse::<IpAddr>().is_err() || (prefix.len() > 1 && prefix.starts_with('0'))
}

fn has_host_bits(ip: IpAddr, prefix: u32) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().checked_shl(prefix).is_some_and(|rest| rest != 0),
        IpAddr::V6(ip) => ip.to_bits().checked_shl(prefix).is_some_and(|rest| rest != 0),
    }
}

/// Whether there is an address of each family.
pub(super) fn is_dual_stack(ips: impl Iterator<Item = IpAddr>) -> bool {
    let (mut v4, mut v6) = (false, false);
    ips.for_each(|ip| if is_v6(ip) { v6 = true } else { v4 = true });
    v4 && v6
}

/// The address must be one that an endpoint can have.
pub(super) fn endpoint(at: &At<'_, '_>, ip: IpAddr) {
    let text = at.text();
    let (loopback, link_local, link_local_multicast) = match ip {
        IpAddr::V4(ip) => v4_ranges(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| v6_ranges(ip), v4_ranges),
    };
    let rules = [
        (ip.is_unspecified(), format_args!("may not be unspecified ({text})")),
        (loopback, format_args!("may not be in the loopback range (127.0.0.0/8, ::1/128)")),
        (link_local, format_args!("may not be in the link-local range (169.254.0.0/16, fe80::/10)")),
        (
            link_local_multicast,
            format_args!("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
        ),
    ];
    rules.iter().filter(|(broken, _)| *broken).for_each(|(_, rule)| at.invalid_text(rule.to_string()));
}

/// Kubernetes refuses all of 127.0.0.0/8. Here pods may have loopback addresses of a block that their cluster leases
/// (`orch-net`); 127.0.0.0/18, the machine's own, is never leased and stays refused.
fn v4_ranges(ip: Ipv4Addr) -> (bool, bool, bool) {
    let octets = ip.octets();
    let is_machine = octets[..2] == [127, 0] && octets[2] < 64;
    (is_machine, ip.is_link_local(), octets[..3] == [224, 0, 0])
}

fn v6_ranges(ip: Ipv6Addr) -> (bool, bool, bool) {
    let first = ip.segments()[0];
    (ip.is_loopback(), first & 0xffc0 == 0xfe80, first & 0xff0f == 0xff02)
}

#[cfg(test)]
mod tests {
    use super::super::at::Faults;
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(rule: impl Fn(&At<'_, '_>), text: &str, expected: &[&str]) {
        let (tree, faults) = (json!(text), Faults::default());
        rule(&At::root(&tree, &faults));
        let details: Vec<_> = faults.into_vec().into_iter().map(|fault| fault.detail).collect();
        assert_eq!(details, expected, "{text}");
    }

    #[test]
    fn an_address_has_no_leading_zeros_and_is_not_mapped() {
        let rule = |at: &At<'_, '_>| _ = ip(at, &BTreeSet::from(["010.0.0.9"]));
        check(rule, "10.0.0.1", &[]);
        check(rule, "2001:DB8::1", &[]);
        check(rule, "010.0.0.9", &[]);
        check(rule, "010.0.0.1", &["must not have leading 0s"]);
        check(rule, "::ffff:1.2.3.4", &["must not be an IPv4-mapped IPv6 address"]);
        for text in ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "a", "::1%eth0"] {
            check(rule, text, &["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]);
        }
    }

    #[test]
    fn a_canonical_address_is_written_shortest() {
        let rule = |at: &At<'_, '_>| _ = canonical_ip(at);
        check(rule, "2001:db8::1", &[]);
        check(rule, "2001:DB8::1", &["must be in canonical form (\"2001:db8::1\")"]);
    }

    #[test]
    fn an_interface_has_an_address_and_a_prefix() {
        const FORM: &str = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
        let rule = |at: &At<'_, '_>| interface(at);
        check(rule, "10.9.8.7/24", &[]);
        check(rule, "2001:db8::1/64", &[]);
        check(rule, "10.9.8.7", &[FORM]);
        check(rule, "10.9.8.7/33", &[FORM]);
        check(rule, "10.9.8.07/24", &[r#"must be in canonical form ("10.9.8.7/24")"#]);
        check(rule, "2001:DB8::1/64", &[r#"must be in canonical form ("2001:db8::1/64")"#]);
        check(rule, "::ffff:10.9.8.7/120", &[r#"must be in canonical form ("10.9.8.7/24")"#]);
    }

    #[test]
    fn a_block_has_no_bits_beyond_its_prefix() {
        let rule = |at: &At<'_, '_>| _ = cidr(at, at.text(), &BTreeSet::new());
        check(rule, "10.0.0.0/8", &[]);
        check(rule, "2001:db8::/64", &[]);
        check(rule, "0.0.0.0/0", &[]);
        check(rule, "10.0.0.1/32", &[]);
        check(rule, "10.0.0.1/8", &["must not have bits set beyond the prefix length"]);
        check(rule, "10.0.0.0/08", &["must not have leading 0s in IP or prefix length"]);
        check(rule, "10.0.0.0", &["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]);
        check(rule, "10.0.0.0/33", &["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]);
    }

    #[test]
    fn an_endpoint_is_reachable_from_elsewhere() {
        let rule = |at: &At<'_, '_>| endpoint(at, parse(at.text()).unwrap());
        check(rule, "10.0.0.1", &[]);
        check(rule, "0.0.0.0", &["may not be unspecified (0.0.0.0)"]);
        check(rule, "127.0.0.1", &["may not be in the loopback range (127.0.0.0/8, ::1/128)"]);
        check(rule, "127.0.63.255", &["may not be in the loopback range (127.0.0.0/8, ::1/128)"]);
        check(rule, "127.0.64.0", &[]);
        check(rule, "127.223.224.1", &[]);
        check(rule, "fe80::1", &["may not be in the link-local range (169.254.0.0/16, fe80::/10)"]);
        check(rule, "224.0.0.5", &["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]);
    }
}
