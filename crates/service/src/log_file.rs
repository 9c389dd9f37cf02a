//! A log of one file a day in the data folder. A secret can't get into a line: no secret type has a way to print itself.

use std::path::Path;

use tracing_appender::rolling::{RollingFileAppender, Rotation};

/// The folder in the data folder.
const FOLDER: &str = "logs";
const FILES: usize = 7;

/// Opens the log of this program. Blocks.
pub fn log_file(data_dir: &Path, program: &str) -> std::io::Result<RollingFileAppender> {
    let folder = data_dir.join(FOLDER);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder)?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(program)
        .filename_suffix("log")
        .max_log_files(FILES)
        .build(folder)
        .map_err(std::io::Error::other)
}
