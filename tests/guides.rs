//! What the documents say is right: each line of the tables in docs/migrate.md meets with what the table says, each reason of
//! `slewd status` is explained, and links lead somewhere. Commands and configurations: shown_commands.rs.

#![allow(missing_docs, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "support/documents.rs"]
mod documents;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use slewd::config::{Class, Config, MemoryFiles, directives};

use documents::{ROOT, blocks, documents, spans};

#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted,
    Warning,
    Error,
}

fn verdict(text: &str) -> (Verdict, String) {
    match Config::from_text(&MemoryFiles::new(), "f", text.as_bytes(), false) {
        Ok(config) if config.warnings.is_empty() => (Verdict::Accepted, String::new()),
        Ok(config) => (Verdict::Warning, config.warnings[0].to_string()),
        Err(failure) => (Verdict::Error, failure.error.to_string()),
    }
}

/// Rows of a table of lines: the old line, what becomes of it, and the lines that may be written instead.
fn rows(text: &str) -> Vec<(String, Verdict, Vec<String>)> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [old, says, new] = cells[..] else { return None };
        let says = match says {
            "accepted" => Verdict::Accepted,
            "warning" => Verdict::Warning,
            "error" => Verdict::Error,
            _ => return None,
        };
        // Flags are no lines of configuration.
        let is_directive = |span: &String| !span.starts_with('-');
        Some((old.trim_matches('`').to_owned(), says, spans(new).into_iter().filter(is_directive).collect()))
    };
    text.lines().filter(|line| line.starts_with('|')).filter_map(row).collect()
}

#[test]
fn every_line_of_the_migration_tables_meets_with_what_the_table_says() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/migrate.md")).expect("the guide");
    let mut named = BTreeSet::new();
    for (old, says, new) in rows(&text) {
        let (found, reason) = verdict(&old);
        assert_eq!(found, says, "{old}: {reason}");
        named.extend(old.split_whitespace().next().map(str::to_owned));
        for line in new {
            assert_eq!(verdict(&line), (Verdict::Accepted, String::new()), "instead of {old}: {line}");
        }
    }
    let missing: Vec<&str> = directives()
        .filter(|directive| directive.class != Class::Used && !named.contains(directive.name))
        .map(|directive| directive.name)
        .collect();
    assert!(missing.is_empty(), "docs/migrate.md does not say what becomes of {missing:?}");
}

#[test]
fn every_script_is_one_for_the_shell() {
    for (path, text) in documents() {
        for (_, script) in blocks(&text).into_iter().filter(|(language, _)| language == "sh") {
            let output = Command::new("sh").args(["-n", "-c", &script]).output().expect("sh");
            assert!(output.status.success(), "{path}: {script}\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The guide for repairs quotes the program: all that `slewd status` can say is there, and nothing that it does not say.
#[test]
fn every_reason_of_status_has_its_row() {
    let read = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).expect(path);
    let (guide, names) = (read("docs/troubleshooting.md"), read("src/report/names.rs"));
    let from = names.find("Hindrance::None =>").expect("the reasons");
    let reasons: BTreeSet<&str> =
        names[from..].split('"').skip(1).step_by(2).filter(|word| word.trim().contains(' ')).collect();
    let section =
        guide.split("## Not synchronised").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let rows: BTreeSet<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let elsewhere = "no source has given a good answer yet";
    assert!(read("src/report/status.rs").contains(elsewhere));
    let missing: Vec<_> = reasons.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&reasons).filter(|row| **row != elsewhere).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; never said: {unknown:?}");
}

/// What the guide quotes of the log is what the program says there, up to the first thing that varies.
#[test]
fn every_line_of_the_log_that_the_guide_has_is_said() {
    let read = |path: &str| fs::read_to_string(Path::new(ROOT).join(path)).expect(path);
    let guide = read("docs/troubleshooting.md");
    let section = guide.split("## The log says").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let rows: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(rows.len() > 8, "{rows:?}");
    let sources = ["report/log.rs", "daemon/run.rs", "daemon/clock.rs", "daemon/files/pid_file.rs", "sys/adjtimex.rs"];
    let program: String = sources.iter().map(|path| read(&format!("src/{path}"))).collect();
    for row in rows {
        let fixed = row.split("...").next().unwrap_or_default().trim_end();
        let known = [fixed, fixed.trim_start_matches("Another slewd ")].iter().any(|text| program.contains(text));
        assert!(!fixed.is_empty() && known, "never said: {row}");
    }
}

#[test]
fn every_metric_that_the_guide_names_exists() {
    let guide = fs::read_to_string(Path::new(ROOT).join("docs/monitoring.md")).expect("the guide");
    let list = fs::read_to_string(Path::new(ROOT).join("docs/metrics.md")).expect("the list");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names: BTreeSet<&str> = guide.split(|c| !is_part(c)).filter(|word| word.starts_with("slewd_")).collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        assert!(list.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_link_leads_to_a_file_or_a_heading() {
    let heading_name = |heading: &str| {
        let kept = heading.to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    for (path, text) in documents().into_iter().filter(|(path, _)| path.ends_with(".md")) {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let here = Path::new(ROOT).join(&path);
            let target = if file.is_empty() { here } else { here.parent().expect("a directory").join(file) };
            assert!(target.exists(), "{path}: {link}");
            if anchor.is_empty() {
                continue;
            }
            let there = fs::read_to_string(&target).expect("a document");
            let found = there
                .lines()
                .any(|line| line.starts_with('#') && heading_name(line.trim_start_matches('#').trim()) == anchor);
            assert!(found, "{path}: no heading for {link}");
        }
    }
}
