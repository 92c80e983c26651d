//! Log lines: one a window for whoever reads nothing else, more on request, JSON for machines.

use grail_config::args::LogArgs;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. Called once, by `main`.
///
/// Without flags: one line a window and every warning. `-v`: progress of each group. `-vv`: each group's result and
/// every reason. `-vvv`: everything of ours.
/// Libraries of others speak up only with warnings.
pub fn start(args: LogArgs) {
    let filter = match (args.verbose, args.json) {
        // Machines that read JSON want the progress events too.
        (0, false) => "warn,grail=info,grail::progress=warn",
        (0, true) | (1, _) => "warn,grail=info",
        (2, _) => "warn,grail=debug",
        _ => "info,grail=trace",
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        // A file and the journal of a service get none, and nobody who set NO_COLOR.
        .with_ansi(console::colors_enabled_stderr())
        .with_target(args.json || args.verbose > 1);
    if args.json { builder.json().flatten_event(true).init() } else { builder.compact().init() }
}
