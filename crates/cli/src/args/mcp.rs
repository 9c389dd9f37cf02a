//! Arguments of `atthene mcp`.

use std::path::PathBuf;

use clap::Args;

/// Speak MCP on standard input and output, for agents that start their tools. The key comes from
/// `ATTHENE_API_KEY` or a file.
#[derive(Args)]
pub(crate) struct McpArguments {
    /// Where the gateway answers.
    #[arg(long, default_value = "http://127.0.0.1:8765/mcp")]
    pub(crate) url: String,
    /// The file that holds the key, in place of `ATTHENE_API_KEY`.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
}
