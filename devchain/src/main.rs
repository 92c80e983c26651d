//! `grail-devchain`: a real Substrate runtime on this machine, from a chain spec that you name.

mod cli;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A real Substrate runtime on this machine: blocks on demand, and the JSON-RPC that chain clients speak.
///
/// It is no network: no peers, no consensus, no offchain workers, and whoever can connect can write any storage item.
/// Never for value.
#[derive(Debug, Parser)]
#[command(name = "grail-devchain", version, after_help = EXAMPLES)]
struct Cli {
    /// Say more: -v what happens, -vv every extrinsic and what the runtime logs.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,

    /// Results and log lines in JSON, one object a line.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
The chain spec is not part of this program. Subtensor's is published in its repository; name yours with --spec, or once
for all with GRAIL_SUBTENSOR_SPEC.

Examples:
  grail-devchain info --spec aura-dev.json              what chain is this?
  grail-devchain run --spec aura-dev.json               a block for each extrinsic, at ws://127.0.0.1:9944
  grail-devchain run --spec aura-dev.json --seal 250    a block each 250 ms
  grail-devchain run --spec aura-dev.json --seal manual --genesis-time 1692803367000
                                                        blocks when asked, times that can be repeated
  grail-devchain snapshot net.snapshot --spec aura-dev.json --blocks 20
  grail-devchain run --snapshot net.snapshot            go on from there

Asking a running node by hand:
  curl -H 'content-type: application/json' http://127.0.0.1:9944 \\
       -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"dev_newBlock\",\"params\":[{\"count\":5}]}'";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the chain until ctrl-c.
    Run(cli::run::RunArgs),
    /// Make a chain, let it grow, and write it to a file that `run` goes on from.
    Snapshot(cli::make::SnapshotArgs),
    /// Tell what chain a spec or a snapshot holds.
    Info(cli::info::InfoArgs),
}

fn main() -> ExitCode {
    cli::end_quietly();
    let cli = Cli::parse();
    cli::log(cli.verbose, cli.json);
    let result =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Into::into).and_then(
            |runtime| match cli.command {
                Command::Run(args) => runtime.block_on(cli::run::run(&args, cli.json)),
                Command::Snapshot(args) => runtime.block_on(cli::make::run(&args, cli.json)),
                Command::Info(args) => runtime.block_on(cli::info::run(&args, cli.json)),
            },
        );
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error, cli.json);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error, json: bool) {
    if json {
        eprintln!("{}", serde_json::json!({"error": format!("{error:#}")}));
    } else {
        eprintln!("{} {error:#}", console::style("error:").for_stderr().red().bold());
    }
}

// The pages are read in one way by all who hold them against a command line.
#[cfg(test)]
#[path = "../../demo/tests/book/blocks.rs"]
mod blocks;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_on_pages_are_understood() {
        let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let mut found = 0;
        for page in blocks::pages(root) {
            let text = std::fs::read_to_string(root.join(&page)).unwrap();
            for block in blocks::blocks(&page.display().to_string(), &text) {
                for words in blocks::commands(&block.text).iter().filter(|words| words[0] == "grail-devchain")
                {
                    found += 1;
                    // The variable names the spec on the page, and may be unset here.
                    let spec = ["--spec".to_owned(), "spec.json".to_owned()];
                    if let Err(error) = Cli::try_parse_from(words.iter().chain(&spec)) {
                        panic!("{}: {}\n{error}", block.at, words.join(" "));
                    }
                }
            }
        }
        assert!(found > 5, "only {found} commands were found, so that this test looks at the wrong place");
    }

    #[test]
    fn what_is_typed_wrongly_is_refused() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("grail-devchain run --spec a --seal 5").is_ok());
        assert!(parse("grail-devchain run --snapshot a --seal manual --json").is_ok());
        // The spec may come from the variable, so the two go together and the snapshot goes before.
        assert!(parse("grail-devchain run --spec a --snapshot b").is_ok());
        assert!(parse("grail-devchain run --spec a --seal soon").is_err());
        assert!(parse("grail-devchain run --spec a --keep-states 0").is_err());
    }
}
