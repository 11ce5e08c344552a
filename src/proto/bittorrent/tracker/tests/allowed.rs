use super::super::allowed::{Author, NotAllowed, Purpose, Scope, link, peer, scope};
use super::*;

#[test]
fn how_far_addresses_reach() {
    for (scope_, ips) in [
        (
            Scope::Nowhere,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "224.0.0.1",
                "239.192.152.143",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::2",
                "::7f00:1",
                "ff02::1",
                "ff15::efc0:988f",
                "::ffff:0.0.0.0",
                "::ffff:0:127.0.0.1",
                "64:ff9b::e000:1",
            ][..],
        ),
        (
            Scope::Loopback,
            &["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"],
        ),
        (Scope::Link, &["169.254.0.1", "169.254.169.254", "fe80::1", "febf::1", "::ffff:169.254.169.254"]),
        (
            Scope::Private,
            &[
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.0.1",
                "100.64.0.1",
                "100.127.0.1",
                "fc00::1",
                "fdff::1",
                "fec0::1",
                "::ffff:10.0.0.1",
                "2002:c0a8:1::1",
                "64:ff9b:1::1",
            ],
        ),
        (
            Scope::Global,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.1",
                "100.63.0.1",
                "100.128.0.1",
                "126.0.0.1",
                "128.0.0.1",
                "169.253.0.1",
                "172.15.0.1",
                "172.32.0.1",
                "192.167.0.1",
                "203.0.113.7",
                "223.255.255.255",
                "2001:db8::1",
                "2606:4700::1111",
                "64:ff9b::101:101",
                "2002:101:101::1",
                "::ffff:1.1.1.1",
            ],
        ),
    ] {
        for text in ips {
            assert_eq!(scope(ip(text)), scope_, "{text}");
        }
    }
}

#[test]
fn where_links_may_lead() {
    use {Author::*, Purpose::*};
    let to = |text: &str| ip(text);
    let inward = |from: &str, to: &str| Err(NotAllowed::Inward { from: ip(from), to: ip(to) });
    for (purpose, author, link_, address, verdict) in [
        (Tracker, Stranger, "http://t/x/announce", "1.1.1.1", Ok(())),
        (Tracker, Stranger, "http://t/anything?a=b", "2001:db8::1", Ok(())),
        (WebSeed, Stranger, "https://t/f?x", "1.1.1.1", Ok(())),
        // This host and this network: as a tracker has it.
        (Tracker, Stranger, "http://t/announce", "127.0.0.1", Ok(())),
        (Tracker, Stranger, "http://t/announce.php?passkey=1", "192.168.1.1", Ok(())),
        (Tracker, Stranger, "http://t/scrape", "::1", Ok(())),
        (Tracker, Stranger, "http://t/admin", "127.0.0.1", Err(NotAllowed::LocalPath(to("127.0.0.1")))),
        (Tracker, Stranger, "http://t/", "10.0.0.1", Err(NotAllowed::LocalPath(to("10.0.0.1")))),
        (Tracker, Stranger, "http://t/x/announce", "::1", Err(NotAllowed::LocalPath(to("::1")))),
        (Tracker, Stranger, "http://t/announce/../admin", "::1", Err(NotAllowed::LocalPath(to("::1")))),
        (Tracker, Stranger, "http://t/announce%2f..%2fadmin", "::1", Err(NotAllowed::LocalPath(to("::1")))),
        (
            Tracker,
            Stranger,
            "http://t/x",
            "::ffff:127.0.0.1",
            Err(NotAllowed::LocalPath(to("::ffff:127.0.0.1"))),
        ),
        (Tracker, Stranger, "udp://t:6969/x", "127.0.0.1", Ok(())),
        (WebSeed, Stranger, "http://t/any/file", "192.168.1.1", Ok(())),
        (
            WebSeed,
            Stranger,
            "http://t/f?reboot=1",
            "192.168.1.1",
            Err(NotAllowed::LocalQuery(to("192.168.1.1"))),
        ),
        (WebSeed, Stranger, "http://t/f?", "127.0.0.1", Err(NotAllowed::LocalQuery(to("127.0.0.1")))),
        // The user may.
        (Tracker, User, "http://t/k/announce", "192.168.1.1", Ok(())),
        (WebSeed, User, "http://t/f?x=1", "127.0.0.1", Ok(())),
        // Nobody may.
        (Tracker, User, "http://t/announce", "169.254.169.254", Err(NotAllowed::Link(to("169.254.169.254")))),
        (Tracker, User, "udp://t:1/", "fe80::1", Err(NotAllowed::Link(to("fe80::1")))),
        (Tracker, User, "udp://t:1/", "0.0.0.0", Err(NotAllowed::Nowhere(to("0.0.0.0")))),
        (Tracker, User, "udp://t:1/", "239.192.152.143", Err(NotAllowed::Nowhere(to("239.192.152.143")))),
        (Tracker, Stranger, "http://t:25/announce", "1.1.1.1", Err(NotAllowed::Port(25))),
        (Tracker, User, "https://t:6667/announce", "1.1.1.1", Err(NotAllowed::Port(6667))),
        (WebSeed, Stranger, "http://t:22/f", "1.1.1.1", Err(NotAllowed::Port(22))),
        (Tracker, Stranger, "udp://t:53/announce", "1.1.1.1", Ok(())),
        // Nobody sends further inside.
        (Tracker, Redirect(ip("1.1.1.1")), "http://t/announce", "127.0.0.1", inward("1.1.1.1", "127.0.0.1")),
        (WebSeed, Redirect(ip("1.1.1.1")), "http://t/f", "10.0.0.1", inward("1.1.1.1", "10.0.0.1")),
        (WebSeed, Redirect(ip("10.0.0.2")), "http://t/f", "127.0.0.1", inward("10.0.0.2", "127.0.0.1")),
        (WebSeed, Redirect(ip("10.0.0.2")), "http://t/f", "10.0.0.1", Ok(())),
        (WebSeed, Redirect(ip("127.0.0.1")), "http://t/f", "127.0.0.1", Ok(())),
        (
            WebSeed,
            Redirect(ip("127.0.0.1")),
            "http://t/f?x",
            "127.0.0.1",
            Err(NotAllowed::LocalQuery(to("127.0.0.1"))),
        ),
        (WebSeed, Redirect(ip("10.0.0.1")), "http://t/f?x", "1.1.1.1", Ok(())),
        (Tracker, Redirect(ip("1.1.1.1")), "http://t/f?x", "1.1.1.2", Ok(())),
    ] {
        assert_eq!(link(purpose, author, &url(link_), to(address)), verdict, "{author:?} {link_} {address}");
    }
}

#[test]
fn who_may_be_dialled() {
    let ours = [addr("203.0.113.1:6881"), addr("10.0.0.5:6881"), addr("[2001:db8::5]:6881")];
    let outsider = |peer: &str, from: &str| Err(NotAllowed::Outsider { peer: ip(peer), from: ip(from) });
    for (address, from, verdict) in [
        ("1.1.1.1:6881", "2.2.2.2", Ok(())),
        ("1.1.1.1:80", "2.2.2.2", Ok(())),
        ("[2606:4700::1]:6881", "2.2.2.2", Ok(())),
        ("1.1.1.1:6881", "10.0.0.1", Ok(())),
        ("1.1.1.1:0", "2.2.2.2", Err(NotAllowed::Port(0))),
        ("1.1.1.1:25", "2.2.2.2", Err(NotAllowed::Port(25))),
        ("10.0.0.7:22", "10.0.0.1", Err(NotAllowed::Port(22))),
        ("0.0.0.0:6881", "127.0.0.1", Err(NotAllowed::Nowhere(ip("0.0.0.0")))),
        ("224.0.0.1:6881", "127.0.0.1", Err(NotAllowed::Nowhere(ip("224.0.0.1")))),
        ("[ff02::1]:6881", "::1", Err(NotAllowed::Nowhere(ip("ff02::1")))),
        ("255.255.255.255:6881", "1.1.1.1", Err(NotAllowed::Nowhere(ip("255.255.255.255")))),
        ("169.254.1.1:6881", "10.0.0.1", Err(NotAllowed::Link(ip("169.254.1.1")))),
        ("169.254.1.1:6881", "169.254.1.1", Ok(())),
        ("[fe80::1]:6881", "fe80::1", Ok(())),
        ("[fe80::1]:6881", "fe80::2", Err(NotAllowed::Link(ip("fe80::1")))),
        // Inside, as told from inside.
        ("10.0.0.7:6881", "192.168.0.1", Ok(())),
        ("10.0.0.7:6881", "127.0.0.1", Ok(())),
        ("10.0.0.7:6881", "fe80::1", Ok(())),
        ("[fd00::7]:6881", "10.0.0.1", Ok(())),
        ("10.0.0.7:6881", "1.1.1.1", outsider("10.0.0.7", "1.1.1.1")),
        ("100.64.0.1:6881", "1.1.1.1", outsider("100.64.0.1", "1.1.1.1")),
        ("[fd00::7]:6881", "2606:4700::1", outsider("fd00::7", "2606:4700::1")),
        ("[::ffff:10.0.0.7]:6881", "1.1.1.1", outsider("10.0.0.7", "1.1.1.1")),
        ("[::ffff:10.0.0.7]:6881", "::ffff:10.0.0.1", Ok(())),
        ("127.0.0.1:6881", "127.0.0.1", Ok(())),
        ("[::1]:6881", "127.0.0.1", Ok(())),
        ("127.0.0.1:6881", "10.0.0.1", outsider("127.0.0.1", "10.0.0.1")),
        ("127.0.0.1:6881", "1.1.1.1", outsider("127.0.0.1", "1.1.1.1")),
        ("203.0.113.1:6881", "1.1.1.1", Err(NotAllowed::Ours(ours[0]))),
        ("203.0.113.1:6882", "1.1.1.1", Ok(())),
        ("[2001:db8::5]:6881", "1.1.1.1", Err(NotAllowed::Ours(ours[2]))),
    ] {
        assert_eq!(peer(addr(address), ip(from), &ours), verdict, "{address} of {from}");
    }
    let mapped = addr("[::ffff:203.0.113.1]:6881");
    assert_eq!(peer(mapped, ip("1.1.1.1"), &ours), Err(NotAllowed::Ours(mapped)));
}
