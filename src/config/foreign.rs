//! Words and spellings that are right elsewhere: in the files of ntpd, OpenNTPD and systemd-timesyncd, in URLs and shells.

use std::net::IpAddr;

/// Directives of ntp.conf that chrony.conf does not have, and what there is instead.
const NTP_CONF: [(&str, &str); 30] = [
    ("autokey", "remove the line, use the option nts of the server line"),
    ("broadcastclient", "remove the line, name servers instead"),
    ("controlkey", "remove the line"),
    ("crypto", "remove the line, use the option nts of the server line"),
    ("disable", "remove the line"),
    ("discard", "remove the line"),
    ("enable", "remove the line"),
    ("filegen", "remove the line, the directives log and logdir choose log files"),
    ("fudge", "remove the line, and the server 127.127.x.x that belongs to it"),
    ("includefile", "write include"),
    ("interface", "remove the line, bindacqaddress and bindacqdevice choose where requests come from"),
    ("keys", "write keyfile"),
    ("leapfile", "write leapseclist"),
    ("logconfig", "remove the line"),
    ("logfile", "remove the line, the flag -l names a log file"),
    ("manycastclient", "remove the line, name servers instead"),
    ("monitor", "remove the line"),
    ("mru", "remove the line"),
    ("multicastclient", "remove the line, name servers instead"),
    ("nic", "remove the line, bindacqaddress and bindacqdevice choose where requests come from"),
    ("requestkey", "remove the line"),
    ("restrict", "remove the line, this client serves nobody"),
    ("rlimit", "remove the line, lock_all locks the memory"),
    ("setvar", "remove the line"),
    ("statistics", "remove the line, the directives log and logdir choose log files"),
    ("statsdir", "write logdir"),
    ("saveconfigdir", "remove the line"),
    ("tinker", "remove the line, makestep and maxchange say when to step and when to give up"),
    ("tos", "remove the line, minsources, maxdistance and minstratum do its work"),
    ("trustedkey", "remove the line, keys that are named are trusted"),
];

/// Directives of OpenNTPD's ntpd.conf.
const OPENNTPD: [(&str, &str); 6] = [
    ("constraint", "remove the line, use the option nts of the server line"),
    ("constraints", "remove the line, use the option nts of the server line"),
    ("listen", "remove the line, this client serves nobody"),
    ("query", "write bindacqaddress ADDRESS instead of query from ADDRESS"),
    ("sensor", "remove the line"),
    ("servers", "write pool"),
];

/// Keys of timesyncd.conf.
const TIMESYNCD: [&str; 7] = [
    "connectionretrysec",
    "fallbackntp",
    "ntp",
    "pollintervalmaxsec",
    "pollintervalminsec",
    "rootdistancemaxsec",
    "saveintervalsec",
];

/// Options of source lines that others have.
const OPTIONS: [(&str, &str); 11] = [
    ("autokey", "ntpd's"),
    ("dynamic", "ntpd's"),
    ("limited", "ntpd's"),
    ("mode", "ntpd's"),
    ("noserve", "ntpd's"),
    ("preempt", "ntpd's"),
    ("subset", "ntpd's"),
    ("true", "ntpd's"),
    ("trusted", "OpenNTPD's"),
    ("ttl", "ntpd's"),
    ("weight", "OpenNTPD's"),
];

/// Where all words of the other files are.
const GUIDE: &str = "docs/migrate.md has a table";

/// What to do about a directive that another program has.
pub(crate) fn directive(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let find =
        |table: &[(&str, &str)]| table.iter().find(|(word, _)| *word == lower).map(|(_, remedy)| remedy.to_string());
    if let Some(remedy) = find(&NTP_CONF) {
        return Some(format!("{name} is a word of ntpd's ntp.conf: {remedy}; {GUIDE}"));
    }
    if let Some(remedy) = find(&OPENNTPD) {
        return Some(format!("{name} is a word of OpenNTPD's ntpd.conf: {remedy}; {GUIDE}"));
    }
    let key = lower.split_once('=').map(|(key, _)| key);
    let is_timesyncd = lower == "[time]" || key.is_some_and(|key| TIMESYNCD.contains(&key));
    is_timesyncd.then(|| {
        format!("this is a file of systemd-timesyncd: write a line \"server NAME iburst\" for each server; {GUIDE}")
    })
}

/// What to do about an option of a source line that another program has.
pub(crate) fn option(word: &str) -> Option<String> {
    let (name, whose) = OPTIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word))?;
    Some(format!("{name} is an option of {whose} configuration, remove it"))
}

/// What looks wrong with the host of a source line that is taken for a name all the same.
pub(crate) fn host(host: &str) -> Option<String> {
    let quotes = ['"', '\'', '`'];
    if host.contains(quotes) {
        return Some(format!("the quotes are part of the name: write {}", host.replace(quotes, "")));
    }
    if let Some((_, rest)) = host.split_once("://") {
        let bare = rest.split('/').next().unwrap_or(rest);
        return Some(format!("\"{host}\" is a URL and not a name: write {bare}"));
    }
    if let Some(bare) = host.strip_prefix('[') {
        return Some(match bare.split_once(']') {
            Some((address, "")) => format!("\"{host}\" is taken for a name: write {address} without brackets"),
            Some((address, port)) => port_remedy(host, address, port.trim_start_matches(':')),
            None => format!("\"{host}\" is taken for a name: write the address without brackets"),
        });
    }
    if let Ok(IpAddr::V4(address)) = host.parse::<IpAddr>() {
        let [a, b, ..] = address.octets();
        return ([a, b] == [127, 127]).then(|| {
            format!("{host} is a reference clock of ntpd and not a server: remove the line, and those that go with it")
        });
    }
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    if host.contains(',') {
        return Some(format!("\"{host}\" is taken for one name: write one line for each server"));
    }
    if let Some((address, scope)) = host.split_once('%') {
        return Some(format!(
            "the scope \"%{scope}\" is not used: write {address} and the directive bindacqdevice {scope}"
        ));
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port_remedy(host, name, port))
        }
        Some(_) => Some(format!("\"{host}\" is no IPv6 address, and no name contains a colon")),
        None => None,
    }
}

fn port_remedy(typed: &str, name: &str, port: &str) -> String {
    format!("\"{typed}\" is taken for a name, a port is an option: write {name} port {port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_hosts_that_are_right_elsewhere_have_a_remedy() {
        for (typed, remedy) in [
            ("10.0.0.1:123", "write 10.0.0.1 port 123"),
            ("ntp.example:1123", "write ntp.example port 1123"),
            ("[2001:db8::1]:123", "write 2001:db8::1 port 123"),
            ("[2001:db8::1]", "write 2001:db8::1 without brackets"),
            ("\"ntp.example\"", "write ntp.example"),
            ("'10.0.0.1'", "write 10.0.0.1"),
            ("ntp://ntp.example/", "write ntp.example"),
            ("a.example,b.example", "write one line for each server"),
            ("fe80::1%eth0", "write fe80::1 and the directive bindacqdevice eth0"),
            ("2001:db8::1::2", "is no IPv6 address"),
            ("127.127.1.0", "remove the line"),
        ] {
            let said = host(typed).unwrap_or_default();
            assert!(said.contains(remedy), "{typed}: {said}");
        }
        for right in ["10.0.0.1", "2001:db8::1", "ntp.example", "ntp-1.example.", "localhost", "127.0.0.1"] {
            assert_eq!(host(right), None, "{right}");
        }
    }

    #[test]
    fn words_of_other_files_have_a_remedy() {
        for (word, remedy) in [
            ("restrict", "ntp.conf"),
            ("leapfile", "write leapseclist"),
            ("servers", "write pool"),
            ("[Time]", "systemd-timesyncd"),
            ("NTP=ntp.example", "systemd-timesyncd"),
            ("PollIntervalMinSec=32", "systemd-timesyncd"),
            ("restrict", "docs/migrate.md"),
        ] {
            assert!(directive(word).is_some_and(|said| said.contains(remedy)), "{word}");
        }
        assert_eq!(directive("makestep"), None);
        assert!(option("autokey").is_some());
        assert_eq!(option("iburst"), None);
    }
}
