/// What a person chose in the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is no tray yet"))]
pub(super) enum Chosen {
    Open,
    StopOrResume,
    Quit,
}
