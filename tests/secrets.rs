//! Keys and cookies are wiped when they go: no memory that is given back holds a part of one.

#![cfg(feature = "nts")]
#![allow(missing_docs)]
#![allow(unsafe_code, reason = "an allocator that looks at what is given back")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;

use slewd::config::KeyFile;
use slewd::report::nts_file;
use slewd::wire::nts::NtsCookie;
use slewd::wire::nts::aead::{Algorithm, Key};
use slewd::wire::secret::Secret;

/// What all secrets here consist of. No other memory of the test has these eight bytes in a row.
const PART: [u8; 8] = [0xA7, 0x5E, 0xC3, 0x91, 0xE4, 0xD8, 0xB6, 0xF2];

/// The same as hexadecimal digits.
const DIGITS: [u8; 16] = *b"A75EC391E4D8B6F2";

thread_local! {
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

struct Looking;

// SAFETY: everything is left to the system's allocator; memory is read before it is given back.
unsafe impl GlobalAlloc for Looking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Parts that nobody has written yet may be read as well.
        // SAFETY: as asked of us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the memory is still ours, and was initialised by `alloc`.
        let memory = unsafe { std::slice::from_raw_parts(pointer, layout.size()) };
        let has = |part: &[u8]| memory.windows(part.len()).any(|found| found == part);
        if has(&PART) || has(&DIGITS) {
            LEFT.set(LEFT.get() + 1);
        }
        // SAFETY: as asked of us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Looking = Looking;

/// How often memory with a part of a secret was given back.
fn left(action: impl FnOnce()) -> u32 {
    LEFT.set(0);
    action();
    LEFT.get()
}

fn hex(bytes: usize) -> String {
    PART.iter().cycle().take(bytes).map(|byte| format!("{byte:02X}")).collect()
}

fn secret(bytes: usize) -> Vec<u8> {
    let mut secret = Vec::with_capacity(bytes);
    secret.extend(PART.iter().cycle().take(bytes));
    secret
}

#[test]
fn memory_with_a_secret_would_be_seen() {
    assert_eq!(left(|| drop(secret(16))), 1);
}

#[test]
fn keys_and_cookies_of_nts_are_wiped() {
    let key = |algorithm: Algorithm| Key::new(algorithm, Secret::new(secret(algorithm.key_len()))).expect("a key");
    for algorithm in [Algorithm::SivCmac256, Algorithm::Gcm128Siv] {
        let used = || {
            let key = key(algorithm);
            let sealed = key.seal(&vec![1; algorithm.nonce_len()], b"header", b"content").expect("room");
            assert!(key.clone().open(&vec![1; algorithm.nonce_len()], b"header", &sealed).is_some());
        };
        assert_eq!(left(used), 0, "{algorithm:?}");
    }
    let bytes = secret(100);
    assert_eq!(left(|| drop(NtsCookie::new(&bytes).expect("a cookie").clone())), 0);
}

#[test]
fn what_is_read_from_a_file_with_nts_keys_is_wiped() {
    let text = format!(
        "NNC0\nnts.example\n1795876910.4\n127.0.0.1 123\n1 30 {0} {0}\n{1}\n{1}\n",
        hex(Algorithm::Gcm128Siv.key_len()),
        hex(100)
    );
    let read = || drop(nts_file::parse(IpAddr::from([127, 0, 0, 1]), &text).expect("it makes sense"));
    assert_eq!(left(read), 0);
}

#[test]
fn symmetric_keys_are_wiped() {
    let text = format!("1 MD5 HEX:{}\n2 AES128 HEX:{}\n3 SHA256 HEX:{}\n", hex(20), hex(16), hex(64));
    let used = || {
        let file = KeyFile::parse("keys", text.as_bytes());
        for id in 1..=3 {
            let mut packet = vec![0; 48];
            file.keys.find(id).expect("a key").sign(&mut packet, 4);
            assert!(file.keys.find(id).expect("a key").verified(&packet, 4).is_some());
        }
    };
    assert_eq!(left(used), 0);
}
