//! The completions for shells in packaging/completions, made from the tables of commands and flags.
//!
//! `SLEWD_WRITE_MANUAL=1 cargo test --lib completions` writes them anew.

use crate::cli::commands::TABLE;
use crate::cli::flags::FLAGS;
use crate::cli::words::{Flag, Row};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/completions");

#[test]
fn completions_are_those_of_the_tables() {
    for (file, text) in [("slewd.bash", bash()), ("_slewd", zsh()), ("slewd.fish", fish())] {
        let path = format!("{DIRECTORY}/{file}");
        if std::env::var_os("SLEWD_WRITE_MANUAL").is_some() {
            std::fs::write(&path, &text).expect("it can be written");
        }
        let there = std::fs::read_to_string(&path).expect("it is there");
        assert!(there == text, "{file}: run SLEWD_WRITE_MANUAL=1 cargo test --lib completions");
    }
}

/// What a value is, for a shell that can complete it.
enum Kind {
    File,
    User,
    Host,
    Other,
}

fn kind(value: &str) -> Kind {
    match value {
        "FILE" => Kind::File,
        "USER" => Kind::User,
        "HOST" | "HOST..." | "HOST|/PATH[,...]" => Kind::Host,
        _ => Kind::Other,
    }
}

/// The flags of all commands, or of the daemon if there is no command.
fn groups() -> Vec<(&'static str, &'static str, Vec<&'static Flag>)> {
    let commands = TABLE.iter().map(|row: &Row| (row.name, row.arguments, row.all_flags().collect()));
    commands.chain([("*", "", FLAGS.iter().collect())]).collect()
}

fn bash() -> String {
    let names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    let mut text =
        String::from("# bash completion of slewd: made from its tables, see src/cli/completions.rs\n_slewd() {\n");
    text += "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n";
    text += "    COMPREPLY=()\n";
    text += "    case $COMP_CWORD:${COMP_WORDS[1]}:$before in\n";
    for (command, _, flags) in groups() {
        for flag in flags.iter().filter(|flag| !flag.value.is_empty()) {
            let action = match kind(flag.value) {
                Kind::File => "COMPREPLY=($(compgen -f -- \"$word\"))",
                Kind::User => "COMPREPLY=($(compgen -u -- \"$word\"))",
                Kind::Host => "COMPREPLY=($(compgen -A hostname -- \"$word\"))",
                Kind::Other => "",
            };
            text += &format!(
                "    *:{command}:{}) {action}{}return ;;\n",
                flag.name,
                if action.is_empty() { "" } else { "; " }
            );
        }
    }
    let daemon: Vec<&str> = FLAGS.iter().map(|flag| flag.name).collect();
    text += &format!("    1:*) words=\"{} {}\" ;;\n", names.join(" "), daemon.join(" "));
    for (command, arguments, flags) in groups() {
        let flags: Vec<&str> = flags.iter().map(|flag| flag.name).chain(["--help"]).collect();
        let hosts = if matches!(kind(arguments), Kind::Host) { " $(compgen -A hostname)" } else { "" };
        text += &format!("    *:{command}:*) words=\"{}{hosts}\" ;;\n", flags.join(" "));
    }
    text + "    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -F _slewd slewd\n"
}

fn zsh() -> String {
    let quoted = |text: &str| text.replace('\'', "'\\''").replace(':', "\\:");
    let mut text =
        String::from("#compdef slewd\n# zsh completion of slewd: made from its tables, see src/cli/completions.rs\n");
    text += "if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n    local -a commands\n    commands=(\n";
    for row in TABLE {
        text += &format!("        '{}:{}'\n", row.name, quoted(row.help));
    }
    text += "    )\n    _describe command commands\n    return\nfi\ncase $words[2] in\n";
    for (command, arguments, flags) in groups() {
        text += &format!("{command})\n");
        if command != "*" {
            // The flags are those of the command, as if it were the program.
            text += "    shift words\n    (( CURRENT-- ))\n";
        }
        text += "    _arguments -s \\\n";
        for Flag { name, value, help } in flags {
            let help = quoted(help).replace('[', "\\[").replace(']', "\\]");
            let value = match kind(value) {
                _ if value.is_empty() => String::new(),
                Kind::File => ":file:_files".to_owned(),
                Kind::User => ":user:_users".to_owned(),
                Kind::Host => ":host:_hosts".to_owned(),
                Kind::Other => format!(":{}:", value.to_ascii_lowercase()),
            };
            text += &format!("        '{name}[{help}]{value}' \\\n");
        }
        if matches!(kind(arguments), Kind::Host) {
            text += "        '*:host:_hosts' \\\n";
        }
        text += "        '--help[print help]'\n    ;;\n";
    }
    text + "esac\n"
}

fn fish() -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut text = String::from("# fish completion of slewd: made from its tables, see src/cli/completions.rs\n");
    text += "complete -c slewd -f\n";
    for row in TABLE {
        let help = quoted(row.help);
        text += &format!("complete -c slewd -n __fish_use_subcommand -a {} -d '{help}'\n", row.name);
    }
    for (command, arguments, flags) in groups() {
        let only = match command {
            "*" => "__fish_use_subcommand".to_owned(),
            command => format!("'__fish_seen_subcommand_from {command}'"),
        };
        for Flag { name, value, help } in flags {
            let name = match name.strip_prefix("--") {
                Some(long) => format!("-l {long}"),
                None => format!("-s {}", name.trim_start_matches('-')),
            };
            let value = match kind(value) {
                _ if value.is_empty() => "",
                Kind::File => " -r -F",
                Kind::User => " -x -a '(__fish_complete_users)'",
                Kind::Host => " -x -a '(__fish_print_hostnames)'",
                Kind::Other => " -x",
            };
            text += &format!("complete -c slewd -n {only} {name}{value} -d '{}'\n", quoted(help));
        }
        text += &format!("complete -c slewd -n {only} -l help -d 'print help'\n");
        if matches!(kind(arguments), Kind::Host) {
            text += &format!("complete -c slewd -n {only} -a '(__fish_print_hostnames)'\n");
        }
    }
    text
}
