//! Addresses and prefixes of networks: as Go reads them (`net/netip`), and as it did before 1.17 (`k8s.io/utils/net`).
//!
//! Expressions use the first, formats of schemas the second, which lets numbers begin with zeros. Not URLs.

use std::net::IpAddr;

use ipnet::IpNet;

/// An address; one of version 4 within one of version 6 is refused (`parseIPAddr` of `apiserver/pkg/cel/library/ip.go`).
pub(crate) fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok().filter(|ip| !is_mapped(*ip))
}

/// An address and the length of its prefix, refused as above (`parseCIDR` of `apiserver/pkg/cel/library/cidr.go`).
pub(crate) fn prefix(text: &str) -> Option<IpNet> {
    let (address, bits) = text.rsplit_once('/')?;
    let is_short = bits == "0" || !bits.starts_with('0');
    is_short.then(|| net(ip(address)?, bits)).flatten()
}

/// An address whose numbers may begin with zeros (`ParseIPSloppy`).
pub(super) fn sloppy_ip(text: &str) -> Option<IpAddr> {
    without_zeros(text).parse().ok()
}

/// An address and the length of its prefix, whose numbers may begin with zeros (`ParseCIDRSloppy`).
pub(super) fn sloppy_prefix(text: &str) -> Option<IpNet> {
    let (address, bits) = text.split_once('/')?;
    net(sloppy_ip(address)?, bits)
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

fn net(ip: IpAddr, bits: &str) -> Option<IpNet> {
    // A number may also begin with a plus.
    let bits = bits.parse::<u8>().ok().filter(|_| bits.bytes().all(|byte| byte.is_ascii_digit()))?;
    IpNet::new(ip, bits).ok()
}

/// The text without the zeros at the start of each of its numbers.
fn without_zeros(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_within = false;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        let is_last = !letters.peek().is_some_and(char::is_ascii_hexdigit);
        if c != '0' || is_within || is_last {
            is_within = c.is_ascii_hexdigit();
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_does() {
        for (text, is_strict, is_sloppy) in [
            ("10.0.0.1", true, true),
            ("010.0.0.1", false, true),
            ("10.0.0.256", false, false),
            ("10.0.0", false, false),
            ("::", true, true),
            ("fe80::1", true, true),
            ("fe80::00001", false, true),
            ("fe80::1%eth0", false, false),
            ("::1.2.3.4", true, true),
            ("::ffff:1.2.3.4", false, true),
            ("::ffff:01.2.3.4", false, true),
            ("1:2:3:4:5:6:7::8", false, false),
            ("", false, false),
        ] {
            assert_eq!(ip(text).is_some(), is_strict, "{text}");
            assert_eq!(sloppy_ip(text).is_some(), is_sloppy, "{text}, sloppy");
        }
    }

    #[test]
    fn prefixes_are_read_as_go_does() {
        for (text, is_strict, is_sloppy) in [
            ("10.0.0.0/8", true, true),
            ("10.0.0.0/0", true, true),
            ("10.0.0.0/08", false, true),
            ("10.0.0.0/00", false, true),
            ("10.10.010.10/24", false, true),
            ("10.0.0.0/33", false, false),
            ("10.0.0.0/+8", false, false),
            ("10.0.0.0/", false, false),
            ("10.0.0.0", false, false),
            ("10.0.0.0/8/8", false, false),
            ("fd00::/128", true, true),
            ("fd00::/129", false, false),
            ("::ffff:1.2.3.4/96", false, true),
            ("abcd:ef01:2345:6789::abcd:ef01:2345:6789/125", false, false),
        ] {
            assert_eq!(prefix(text).is_some(), is_strict, "{text}");
            assert_eq!(sloppy_prefix(text).is_some(), is_sloppy, "{text}, sloppy");
        }
        assert_eq!(prefix("10.1.2.3/8").unwrap().addr().to_string(), "10.1.2.3", "the address is kept");
    }
}
