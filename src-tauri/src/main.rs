//! ATTHENE Settings: the desktop app.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    atthene_settings_lib::run()
}
