//! Finding a packet's time stamp among the control messages of recvmsg(2).

use libc::c_int;

use crate::time::{NANOS_PER_SEC, Span, Utc};

/// The first software stamp among control messages (cmsg(3): size_t length, int level, int type, aligned data).
pub(super) fn find_stamp(mut control: &[u8]) -> Option<Utc> {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = (WORD + 8).next_multiple_of(WORD);
    loop {
        let len = usize::from_ne_bytes(control.first_chunk().copied()?);
        let level = c_int::from_ne_bytes(control.get(WORD..)?.first_chunk().copied()?);
        let kind = c_int::from_ne_bytes(control.get(WORD + 4..)?.first_chunk().copied()?);
        let data = control.get(HEADER..len)?;
        let stamp = match (level, kind) {
            // Three times: software, unused, hardware.
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => utc(data.get(..data.len() / 3)?),
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => utc(data),
            _ => None,
        };
        if stamp.is_some() {
            return stamp;
        }
        control = control.get(len.next_multiple_of(WORD)..)?;
    }
}

/// A C `timespec` of either width; zero means "not stamped".
fn utc(timespec: &[u8]) -> Option<Utc> {
    let (secs, nanos) = match timespec.len() {
        16 => (i64::from_ne_bytes(*timespec.first_chunk()?), i64::from_ne_bytes(*timespec.last_chunk()?)),
        8 => (i32::from_ne_bytes(*timespec.first_chunk()?).into(), i32::from_ne_bytes(*timespec.last_chunk()?).into()),
        _ => return None,
    };
    let sane = (secs, nanos) != (0, 0) && (0..NANOS_PER_SEC).contains(&nanos);
    sane.then(|| Utc::from_secs(secs) + Span::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control_message(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
        let header = size_of::<usize>() + 8;
        let mut bytes = (header + data.len()).to_ne_bytes().to_vec();
        bytes.extend([level.to_ne_bytes(), kind.to_ne_bytes()].concat());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(size_of::<usize>()), 0);
        bytes
    }

    #[test]
    fn stamps_are_found_among_other_messages_and_nonsense_is_survived() {
        let time = [5i64.to_ne_bytes(), 7i64.to_ne_bytes()].concat();
        let stamp = control_message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &[&time[..], &[0; 32]].concat());
        let other = control_message(libc::IPPROTO_IP, libc::IP_TTL, &[64, 0, 0, 0]);
        let both = [&other[..], &stamp].concat();
        assert_eq!(find_stamp(&both), Some(Utc::from_nanos(5_000_000_007)));
        assert_eq!(find_stamp(&control_message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &[0; 48])), None);
        for len in 0..both.len() {
            assert_eq!(find_stamp(&both[..len]), None, "cut to {len}");
        }
        for byte in 0..both.len() {
            for value in [0, 1, 15, 17, 255] {
                let mut broken = both.clone();
                broken[byte] = value;
                let _ = find_stamp(&broken);
            }
        }
    }

    #[test]
    fn a_32_bit_timespec_is_read_as_well() {
        assert_eq!(utc(&[5i32.to_ne_bytes(), 7i32.to_ne_bytes()].concat()), Some(Utc::from_nanos(5_000_000_007)));
        assert_eq!(utc(&[5i64.to_ne_bytes(), NANOS_PER_SEC.to_ne_bytes()].concat()), None);
    }
}
