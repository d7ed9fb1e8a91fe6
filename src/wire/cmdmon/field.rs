//! Fields on the wire. A layout is a list of fields that a [`Cursor`] passes over, reading or writing: said once, it
//! serves both directions.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::float;
use super::reply::ReplyStatus;
use crate::core::api::monitoring::Address;
use crate::time::{NANOS_PER_SEC, Utc};

/// Bytes of a name, the last of which is 0.
pub(super) const NAME_LEN: usize = 256;

/// High word of the seconds of a sender that has only 32 bits of them.
const NO_HIGH_SECONDS: u32 = 0x7fff_ffff;

/// An age that is not known.
const NEVER: u32 = u32::MAX;

const FAMILY_IPV4: u16 = 1;
const FAMILY_IPV6: u16 = 2;
const FAMILY_ID: u16 = 3;

/// Something with a place on the wire.
pub(super) trait WireField {
    /// Takes its value from the cursor, or gives it.
    fn pass(&mut self, cursor: &mut Cursor<'_>);
}

/// A place in a datagram that is read or written.
pub(super) struct Cursor<'a> {
    side: Side<'a>,
    /// Why what was read cannot be used.
    pub(super) fault: Option<ReplyStatus>,
}

enum Side<'a> {
    Read(&'a [u8]),
    Write(&'a mut [u8]),
}

impl<'a> Cursor<'a> {
    pub(super) fn reader(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { side: Side::Read(bytes), fault: None }
    }

    pub(super) fn writer(bytes: &'a mut [u8]) -> Cursor<'a> {
        Cursor { side: Side::Write(bytes), fault: None }
    }

    /// The one way in and out. Where the datagram ends, this field and those that follow keep the value they had.
    pub(super) fn bytes(&mut self, bytes: &mut [u8]) {
        match &mut self.side {
            Side::Read(rest) => match rest.split_at_checked(bytes.len()) {
                Some((head, tail)) => {
                    bytes.copy_from_slice(head);
                    *rest = tail;
                }
                None => *rest = &[],
            },
            Side::Write(rest) => {
                if let Some((head, tail)) = mem::take(rest).split_at_mut_checked(bytes.len()) {
                    head.copy_from_slice(bytes);
                    *rest = tail;
                }
            }
        }
    }

    /// Bytes that are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        match &self.side {
            Side::Read(rest) => rest.len(),
            Side::Write(rest) => rest.len(),
        }
    }

    /// Writes a value.
    pub(super) fn put(&mut self, mut value: impl WireField) {
        value.pass(self);
    }

    /// Reads a value.
    pub(super) fn take<T: WireField + Default>(&mut self) -> T {
        let mut value = T::default();
        value.pass(self);
        value
    }

    /// `N` bytes without a meaning: written as `filler`, read over.
    pub(super) fn skip<const N: usize>(&mut self, filler: u8) {
        self.bytes(&mut [filler; N]);
    }

    /// A number that stands for something, in two bytes.
    pub(super) fn wide<T: Coded>(&mut self, value: &mut T) {
        let mut code = value.code();
        code.pass(self);
        *value = T::from_code(code);
    }

    /// A number that stands for something, in one byte.
    pub(super) fn narrow<T: Coded>(&mut self, value: &mut T) {
        let mut code = value.code() as u8;
        code.pass(self);
        *value = T::from_code(u16::from(code));
    }

    /// An IEEE 754 double, with NaN for `None`: only in slewd's own report.
    pub(super) fn double(&mut self, value: &mut Option<f64>) {
        let mut bits = value.unwrap_or(f64::NAN).to_bits();
        bits.pass(self);
        *value = Some(f64::from_bits(bits)).filter(|value| value.is_finite());
    }

    /// Text in one direction or the other; if what was read is none, that is a fault.
    pub(super) fn text<const N: usize>(&mut self, text: &mut String, fault: ReplyStatus) {
        match &self.side {
            Side::Write(_) => self.put_text::<N>(text),
            Side::Read(_) => match self.take_text::<N>() {
                Some(read) => *text = read,
                None => self.fault = self.fault.or(Some(fault)),
            },
        }
    }

    /// Text in `N` bytes, padded with zeros of which there is at least one.
    pub(super) fn put_text<const N: usize>(&mut self, text: &str) {
        let mut bytes = [0; N];
        for (byte, letter) in bytes.iter_mut().take(N - 1).zip(text.bytes()) {
            *byte = letter;
        }
        self.bytes(&mut bytes);
    }

    /// Reads that. `None` if it is empty, has no end or something that cannot be printed: it may come to a terminal.
    pub(super) fn take_text<const N: usize>(&mut self) -> Option<String> {
        let mut bytes = [0; N];
        self.bytes(&mut bytes);
        let (text, _) = bytes.split_at(bytes.iter().position(|byte| *byte == 0)?);
        let text = str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))?;
        (bytes.last() == Some(&0) && !text.is_empty()).then(|| text.to_owned())
    }
}

/// Something that a number stands for.
pub(super) trait Coded {
    fn code(&self) -> u16;
    /// For a number that stands for nothing, the most cautious.
    fn from_code(code: u16) -> Self;
}

/// The numbers of an enum. A number that is not listed stands for `other`.
macro_rules! codes {
    ($name:ident, other: $other:ident, $($variant:ident = $code:literal),+) => {
        impl Coded for $name {
            fn code(&self) -> u16 {
                match self {
                    $($name::$variant => $code,)+
                }
            }

            fn from_code(code: u16) -> $name {
                match code {
                    $($code => $name::$variant,)+
                    _ => $name::$other,
                }
            }
        }
    };
}
pub(super) use codes;

/// A layout: the fields of a struct in the order of the wire. `name(wide)` is a number of two bytes that stands for
/// something, `name(narrow)` one of a byte; `+ 4` after a field is four bytes without a meaning.
macro_rules! layout {
    ($name:ident: $($field:ident $(($how:ident))? $(+ $gap:literal)?),+) => {
        impl WireField for $name {
            fn pass(&mut self, cursor: &mut Cursor<'_>) {
                $(layout!(@field cursor, self.$field $(, $how)?); $(cursor.skip::<$gap>(0);)?)+
            }
        }
    };
    (@field $cursor:ident, $place:expr) => { $place.pass($cursor) };
    (@field $cursor:ident, $place:expr, $how:ident) => { $cursor.$how(&mut $place) };
}
pub(super) use layout;

impl Coded for bool {
    fn code(&self) -> u16 {
        u16::from(*self)
    }

    fn from_code(code: u16) -> bool {
        code != 0
    }
}

impl Coded for u8 {
    fn code(&self) -> u16 {
        u16::from(*self)
    }

    fn from_code(code: u16) -> u8 {
        code as u8
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {
        $(impl WireField for $integer {
            fn pass(&mut self, cursor: &mut Cursor<'_>) {
                let mut bytes = self.to_be_bytes();
                cursor.bytes(&mut bytes);
                *self = <$integer>::from_be_bytes(bytes);
            }
        })*
    };
}
integers!(u8 i8 u16 i16 u32 i32 u64);

impl WireField for f64 {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        let mut word = float::encode(*self);
        word.pass(cursor);
        *self = float::decode(word);
    }
}

/// Seconds ago.
impl WireField for Option<u32> {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        let mut age = self.unwrap_or(NEVER);
        age.pass(cursor);
        *self = Some(age).filter(|age| *age != NEVER);
    }
}

/// 64 bits of seconds since 1970, 32 of nanoseconds; all zero is unset, and so is what [`Utc`] cannot hold.
impl WireField for Option<Utc> {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        let time = self.map_or(0, Utc::nanos);
        let seconds = time.div_euclid(NANOS_PER_SEC) as u64;
        let (mut high, mut low) = ((seconds >> 32) as u32, seconds as u32);
        let mut nanos = time.rem_euclid(NANOS_PER_SEC) as u32;
        high.pass(cursor);
        low.pass(cursor);
        nanos.pass(cursor);
        if high == NO_HIGH_SECONDS {
            high = 0;
        }
        let seconds = (u64::from(high) << 32 | u64::from(low)) as i64;
        let nanos = i64::from(nanos).min(NANOS_PER_SEC - 1);
        // From the larger second down: the earliest moment has a second that alone would be out of range.
        let time = i128::from(seconds) * i128::from(NANOS_PER_SEC) + i128::from(nanos);
        *self = i64::try_from(time).ok().filter(|time| *time != 0).map(Utc::from_nanos);
    }
}

impl Cursor<'_> {
    /// An address, and the reference ID of a reference clock, which has none.
    pub(super) fn referent(&mut self, address: &mut Address) {
        address.pass(self);
        let mut id = if let Address::Clock(id) = address { id.bits() } else { 0 };
        id.pass(self);
        *address = address.or_clock(id);
    }
}

/// 16 bytes of address, 2 of family, 2 of nothing. A family nobody knows is unspecified.
impl WireField for Address {
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        let mut bytes = [0; 16];
        let mut family = match self {
            // A reference clock has no address: its reference ID is told elsewhere.
            Address::Unspecified | Address::Clock(_) => 0,
            Address::Ip(IpAddr::V4(address)) => {
                bytes[..4].copy_from_slice(&address.octets());
                FAMILY_IPV4
            }
            Address::Ip(IpAddr::V6(address)) => {
                bytes = address.octets();
                FAMILY_IPV6
            }
            Address::Id(id) => {
                bytes[..4].copy_from_slice(&id.to_be_bytes());
                FAMILY_ID
            }
        };
        cursor.bytes(&mut bytes);
        family.pass(cursor);
        cursor.skip::<2>(0);
        let [a, b, c, d, ..] = bytes;
        *self = match family {
            0 if matches!(self, Address::Clock(_)) => *self,
            FAMILY_IPV4 => Address::Ip(Ipv4Addr::new(a, b, c, d).into()),
            FAMILY_IPV6 => Address::Ip(Ipv6Addr::from(bytes).into()),
            FAMILY_ID => Address::Id(u32::from_be_bytes([a, b, c, d])),
            _ => Address::Unspecified,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_the_wire<T: WireField + Default>(value: T) -> T {
        let mut bytes = [0; 300];
        Cursor::writer(&mut bytes).put(value);
        Cursor::reader(&bytes).take()
    }

    #[test]
    fn times_survive_or_are_unset() {
        for nanos in [1, -1, i64::MIN, i64::MAX, 1_795_421_108_631_462_272, 4_294_967_296_000_000_001] {
            let time = Some(Utc::from_nanos(nanos));
            assert_eq!(over_the_wire(time), time);
        }
        let read = |words: [u32; 3]| -> Option<Utc> { Cursor::reader(&words.map(u32::to_be_bytes).concat()).take() };
        assert_eq!(read([0, 0, 0]), None);
        assert_eq!(read([u32::MAX - 5, 0, 0]), None, "before 1677");
        assert_eq!(read([NO_HIGH_SECONDS, 7, 5]), Some(Utc::from_nanos(7_000_000_005)));
        assert_eq!(read([0, 7, u32::MAX]), Some(Utc::from_nanos(7_999_999_999)), "clamped");
    }

    #[test]
    fn addresses_ignore_what_they_do_not_use() {
        let read = |family: u8| -> Address {
            let mut bytes = [7; 20];
            bytes[16..].copy_from_slice(&[0, family, 9, 9]);
            Cursor::reader(&bytes).take()
        };
        assert_eq!(read(0), Address::Unspecified);
        assert_eq!(read(1), Address::Ip([7; 4].into()));
        assert_eq!(read(2), Address::Ip([7u8; 16].into()));
        assert_eq!(read(3), Address::Id(0x0707_0707));
        assert_eq!(read(4), Address::Unspecified);
    }

    #[test]
    fn where_the_datagram_ends_nothing_is_read_and_nothing_written() {
        let mut reader = Cursor::reader(&[1, 2, 3, 4, 5]);
        assert_eq!(reader.take::<u32>(), 0x0102_0304);
        assert_eq!(reader.take::<u32>(), 0);
        assert_eq!(reader.take::<u8>(), 0, "not the byte that was too few");
        let mut bytes = [0; 5];
        let mut writer = Cursor::writer(&mut bytes);
        writer.put(1u32);
        writer.put(u32::MAX);
        writer.put(u8::MAX);
        assert_eq!(bytes, [0, 0, 0, 1, 0]);
    }

    #[test]
    fn text_is_printable_and_ends() {
        let read = |bytes: &[u8; 8]| Cursor::reader(bytes).take_text::<8>();
        assert_eq!(read(b"ntp.net\0").as_deref(), Some("ntp.net"));
        assert_eq!(read(b"ntp\0net\0").as_deref(), Some("ntp"));
        assert_eq!(read(b"ntp\0netz"), None);
        assert_eq!(read(b"ntp.netz"), None);
        assert_eq!(read(&[0; 8]), None);
        assert_eq!(read(b"\x1b[2J\0\0\0\0"), None);
        assert_eq!(read(b"\xc3\xa4\0\0\0\0\0\0"), None);
        let mut bytes = [1; 8];
        Cursor::writer(&mut bytes).put_text::<8>("longer.than.that");
        assert_eq!(&bytes, b"longer.\0");
    }
}
