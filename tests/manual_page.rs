//! The lists in docs/slewd.conf.5 are made from the tables that the parser works from.
//!
//! `SLEWD_WRITE_MANUAL=1 cargo test --test manual_page` writes them anew; what is written by hand around them stays.

#![allow(missing_docs, clippy::disallowed_methods)]

use std::fmt::Write;

use slewd::config::{Class, refclock_options, sections, source_options};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/slewd.conf.5");

#[test]
fn the_manual_says_what_the_tables_say() {
    let page = std::fs::read_to_string(PAGE).expect("the manual is there");
    let page_now = with_list(with_list(page.clone(), "options", &options()), "directives", &directives());
    let page_now = with_list(page_now, "options of refclock", &refclocks());
    if std::env::var_os("SLEWD_WRITE_MANUAL").is_some() {
        std::fs::write(PAGE, page_now).expect("the manual can be written");
        return;
    }
    let differing = page.lines().zip(page_now.lines()).find(|(old, new)| old != new);
    assert!(page == page_now, "run SLEWD_WRITE_MANUAL=1 cargo test --test manual_page; {differing:?}");
}

/// The page with what stands between the two marks of this name replaced.
fn with_list(page: String, name: &str, list: &str) -> String {
    let (begin, end) = (format!(".\\\" Begin of the {name}.\n"), format!(".\\\" End of the {name}.\n"));
    let (before, rest) = page.split_once(&begin).expect("a mark");
    let (_, after) = rest.split_once(&end).expect("another mark");
    format!("{before}{begin}{list}{end}{after}")
}

fn directives() -> String {
    let mut list = String::new();
    for section in sections() {
        let _ = writeln!(list, ".Ss {}\n.Bl -tag -width Ds", section.title);
        for directive in section.directives {
            let _ = writeln!(list, ".It Ic {}{}", directive.name, arguments(directive.arguments));
            list.push_str(&text(directive.help, directive.range(), directive.default, directive.class));
        }
        list.push_str(".El\n");
    }
    list
}

fn options() -> String {
    let mut list = String::from(".Bl -tag -width Ds\n");
    for option in source_options() {
        let _ = writeln!(list, ".It Ic {}{}", option.name, arguments(option.value));
        list.push_str(&text(option.help, option.range(), option.default, option.class));
    }
    list.push_str(".El\n");
    list
}

fn refclocks() -> String {
    let mut list = String::from(".Bl -tag -width Ds\n");
    for option in refclock_options() {
        let _ = writeln!(list, ".It Ic {}{}", option.name, arguments(option.value));
        list.push_str(&text(option.help, option.range(), option.default, option.class));
    }
    list.push_str(".El\n");
    list
}

fn text(help: &str, range: Option<String>, default: &str, class: Class) -> String {
    let mut start = help.chars();
    let first = start.next().unwrap_or_default().to_uppercase();
    let mut text = format!("{first}{}.\n", start.as_str().replace('\\', "\\e"));
    match range.filter(|range| range != "any" && class != Class::Retired) {
        Some(range) if !default.is_empty() => {
            let _ = writeln!(text, "Range: {range}; default: {default}.");
        }
        Some(range) => {
            let _ = writeln!(text, "Range: {range}.");
        }
        None if !default.is_empty() => {
            let _ = writeln!(text, "Default: {default}.");
        }
        None => {}
    }
    text.push_str(match class {
        Class::Used => "",
        Class::Planned => "Ignored, with a warning.\n",
        Class::Unused => "Ignored, with a warning: a client has no use for it.\n",
        Class::Harmless => "Accepted and ignored: what it asks for is so anyway.\n",
        Class::Refused => "An error, unless\n.Ic clientonly\nis set: then ignored, with a warning.\n",
        Class::Retired => "Ignored, with a warning.\n",
    });
    text
}

/// `SECONDS [LIMIT]...` as mdoc macros: capitals are places for something, the rest is typed as it stands.
fn arguments(notation: &str) -> String {
    let mut macros = String::new();
    let spaced = ['[', ']', '|', '(', ')']
        .iter()
        .fold(notation.replace("...", " ... "), |text, bracket| text.replace(*bracket, &format!(" {bracket} ")));
    for word in spaced.split_whitespace() {
        let is_place = word.chars().any(|c| c.is_ascii_uppercase());
        let part = match word {
            "[" => "Oo".to_string(),
            "]" => "Oc".to_string(),
            "|" | "(" | ")" | "..." => word.to_string(),
            _ if is_place => format!("Ar {}", word.to_ascii_lowercase()),
            _ => format!("Cm {word}"),
        };
        let _ = write!(macros, " {part}");
    }
    macros
}
