/// What a person chose in the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    Open,
    StopOrResume,
    Quit,
}
