//! The header of a packet (ISO/IEC 13818-1 section 2.4.3.2) and its adaptation field (section 2.4.3.4).

use super::{PACKET, SYNC};

/// A packet that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// `PID`: to which stream it belongs.
    pub pid: u16,
    /// `payload_unit_start_indicator`: a section or a PES packet begins in it.
    pub start: bool,
    /// `transport_scrambling_control`.
    pub scrambled: bool,
    /// `continuity_counter`.
    pub counter: u8,
    /// `discontinuity_indicator`.
    pub discontinuity: bool,
    /// `random_access_indicator`.
    pub random_access: bool,
    /// The program clock reference, in ticks of 27 MHz.
    pub pcr: Option<u64>,
    /// What it carries; `None` when it carries nothing.
    pub payload: Option<&'a [u8]>,
}

/// Why a packet cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not begin with the sync byte.
    #[error("a packet does not begin with 0x47")]
    Sync,
    /// The receiver in front of us has marked it.
    #[error("a packet is marked as damaged")]
    Damaged,
    /// `adaptation_field_control` is 0.
    #[error("a packet has neither payload nor adaptation field")]
    Reserved,
    /// The adaptation field does not fit.
    #[error("an adaptation field of {0} bytes does not fit")]
    Adaptation(u8),
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn parse(bytes: &'a [u8; PACKET]) -> Result<Self, Fault> {
        if bytes[0] != SYNC {
            return Err(Fault::Sync);
        }
        if bytes[1] & 0x80 != 0 {
            return Err(Fault::Damaged);
        }
        let mut packet = Self {
            pid: u16::from_be_bytes([bytes[1] & 0x1f, bytes[2]]),
            start: bytes[1] & 0x40 != 0,
            scrambled: bytes[3] & 0xc0 != 0,
            counter: bytes[3] & 0x0f,
            discontinuity: false,
            random_access: false,
            pcr: None,
            payload: None,
        };
        let (adaptation, payload) = (bytes[3] & 0x20 != 0, bytes[3] & 0x10 != 0);
        let mut start = 4;
        if adaptation {
            let length = bytes[4];
            start = 5 + usize::from(length);
            if start > PACKET || payload && start == PACKET {
                return Err(Fault::Adaptation(length));
            }
            packet.read_adaptation(&bytes[5..start]);
        }
        match (payload, adaptation) {
            (true, _) => packet.payload = Some(&bytes[start..]),
            (false, true) => {}
            (false, false) => return Err(Fault::Reserved),
        }
        Ok(packet)
    }

    fn read_adaptation(&mut self, field: &[u8]) {
        let Some(&flags) = field.first() else { return };
        self.discontinuity = flags & 0x80 != 0;
        self.random_access = flags & 0x40 != 0;
        if flags & 0x10 != 0
            && let Some(&[a, b, c, d, e, f]) = field.get(1..7)
        {
            let base = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
            let extension = u64::from(e & 1) << 8 | u64::from(f);
            self.pcr = Some(base * 300 + extension);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(head: &[u8]) -> [u8; PACKET] {
        let mut packet = [0xaa; PACKET];
        packet[..head.len()].copy_from_slice(head);
        packet
    }

    #[test]
    fn headers() {
        let plain = Packet {
            pid: 0x100,
            start: false,
            scrambled: false,
            counter: 5,
            discontinuity: false,
            random_access: false,
            pcr: None,
            payload: Some(&[0xaa; 184]),
        };
        let table: [(&[u8], Result<Packet<'_>, Fault>); 11] = [
            (&[0x47, 0x01, 0x00, 0x15], Ok(plain)),
            (&[0x47, 0x41, 0x00, 0x15], Ok(Packet { start: true, ..plain })),
            (&[0x47, 0x1f, 0xff, 0xd5], Ok(Packet { pid: 0x1fff, scrambled: true, ..plain })),
            (&[0x47, 0x01, 0x00, 0x35, 0], Ok(Packet { payload: Some(&[0xaa; 183]), ..plain })),
            (
                &[0x47, 0x01, 0x00, 0x35, 7, 0xd0, 0x7f, 0xff, 0xff, 0xff, 0xfe, 0x2b],
                Ok(Packet {
                    discontinuity: true,
                    random_access: true,
                    pcr: Some(0xffff_ffff * 300 + 43),
                    payload: Some(&[0xaa; 176]),
                    ..plain
                }),
            ),
            // A flag of a reference for which there is no room.
            (&[0x47, 0x01, 0x00, 0x35, 1, 0x10], Ok(Packet { payload: Some(&[0xaa; 182]), ..plain })),
            (&[0x47, 0x01, 0x00, 0x25, 183, 0], Ok(Packet { payload: None, ..plain })),
            (&[0x47, 0x01, 0x00, 0x35, 183], Err(Fault::Adaptation(183))),
            (&[0x47, 0x01, 0x00, 0x25, 184], Err(Fault::Adaptation(184))),
            (&[0x47, 0x01, 0x00, 0x05], Err(Fault::Reserved)),
            (&[0x47, 0x81, 0x00, 0x15], Err(Fault::Damaged)),
        ];
        for (head, expected) in table {
            assert_eq!(Packet::parse(&packet(head)), expected, "{head:02x?}");
        }
        assert_eq!(Packet::parse(&packet(&[0x48])), Err(Fault::Sync));
    }
}
