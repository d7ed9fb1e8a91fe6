//! The documents for people, and what they show: blocks between fences, and code in the running text.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::path::Path;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Documents by path: those for people, not the changelog.
pub(crate) fn documents() -> Vec<(String, String)> {
    let mut paths = ["README.md", "packaging/README.md", "packaging/systemd/README.md"].map(str::to_owned).to_vec();
    for entry in fs::read_dir(Path::new(ROOT).join("docs")).expect("docs") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        if name.ends_with(".md") || name.ends_with(".8") || name.ends_with(".5") {
            paths.push(format!("docs/{name}"));
        }
    }
    paths.sort();
    paths.iter().map(|path| (path.clone(), fs::read_to_string(Path::new(ROOT).join(path)).expect(path))).collect()
}

/// The fenced blocks of a document: language and text.
pub(crate) fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), body.join("\n") + "\n"));
        }
    }
    blocks
}

/// The blocks of configuration of a document, or of a manual page.
pub(crate) fn configurations(path: &str, text: &str) -> Vec<String> {
    let conf = blocks(text).into_iter().filter(|(language, _)| language == "conf").map(|(_, body)| body);
    let displays = text.split(".Bd -literal -offset indent\n").skip(1);
    let display = |rest: &str| rest.split(".Ed").next().expect("a display").to_owned();
    conf.chain(displays.filter(|_| path.ends_with(".5")).map(display)).collect()
}

/// Code in the running text, a line break in it being a space.
pub(crate) fn spans(text: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    // A span does not reach beyond its paragraph.
    let paragraphs = prose.split("\n\n").map(str::to_owned);
    paragraphs
        .flat_map(|part| part.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect::<Vec<_>>())
        .collect()
}
