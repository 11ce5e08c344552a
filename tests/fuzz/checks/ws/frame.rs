//! Bytes of a WebSocket, at both ends: frames, their order, and what they make.

use wireworks::proto::ws::codec::Role;
use wireworks::proto::ws::limits::Limits;

use super::super::arrivals;
use super::{again, codec, hear, masked, opinion, say};

/// Checks both ends on `wire`, and says whether it is whole messages and control frames for one of them.
pub(crate) fn check(wire: &[u8]) -> bool {
    let small = Limits { frame: 140, message: 200, empty_frames: 2 };
    let mut accepted = false;
    for limits in [small, Limits::default()] {
        let server = under(Role::Server, &limits, wire);
        let client = under(Role::Client, &limits, wire);
        accepted = server.0 || client.0;
        // From a client the same frames mean the same, whatever their keys.
        if let Some(wire) = masked(wire) {
            assert_eq!(under(Role::Server, &limits, &wire), client);
        }
    }
    accepted
}

fn under(role: Role, limits: &Limits, wire: &[u8]) -> (bool, String) {
    let whole = hear(codec(role, *limits), limits, &[wire]);
    for way in arrivals(wire) {
        let split = hear(codec(role, *limits), limits, &way);
        assert_eq!(split, whole, "{role:?} as {} pieces", way.len());
    }
    let (items, faults) = opinion(wire, role, limits);
    assert_eq!(whole.items, items, "{role:?}");
    match whole.refused {
        Some(reject) => assert!(faults.contains(&reject), "{role:?}: {reject:?}, not one of {faults:?}"),
        None => assert!(faults.is_empty(), "{role:?} hears no fault, and there are {faults:?}"),
    }
    // What was heard can be said, and is heard again.
    let other = if role == Role::Server { Role::Client } else { Role::Server };
    let said = say(&mut codec(other, *limits), again(&whole.items));
    let heard = hear(codec(role, Limits::default()), &Limits::default(), &[&said]);
    assert_eq!((heard.items, heard.refused), (items, None), "{role:?}, said again");
    let accepted = whole.refused.is_none() && !whole.unfinished && !whole.items.is_empty();
    (accepted, format!("{:?} {:?}", whole.items, whole.refused))
}
