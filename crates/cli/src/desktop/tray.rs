//! The icon in the tray of a Linux desktop: what the gateway does, what needs attention, and the one switch that
//! stops everything. It speaks the `StatusNotifierItem` protocol itself and needs no toolkit.

use atthene_core::identity::{IDENTIFIER, PRODUCT_NAME};
use atthene_core::oversight::{Attention, Fix, GatewayState};
use ksni::menu::StandardItem;
use ksni::{Handle, Icon, MenuItem, Status, ToolTip, TrayMethods};
use tokio::sync::mpsc;

use super::chosen::Chosen;

const ICON: &[u8] = include_bytes!("../../../../icons/32.png");

/// The icon; it appears with the first thing to show, and whenever the desktop has a tray again.
pub(super) struct Tray {
    choose: mpsc::UnboundedSender<Chosen>,
    icon: Option<Handle<Item>>,
    /// There is no session bus: nothing that could have a tray.
    is_in_vain: bool,
}

impl Tray {
    pub(super) fn new(choose: mpsc::UnboundedSender<Chosen>) -> Self {
        Self { choose, icon: None, is_in_vain: false }
    }

    /// Whether there is a desktop, with a tray or without one; known once something was shown.
    pub(super) fn has_desktop(&self) -> bool {
        !self.is_in_vain
    }

    /// Shows what the gateway does and what needs attention; `None`: nobody can tell, and what stood there stays.
    pub(super) async fn show(&mut self, state: &GatewayState, attention: Option<&[Attention]>) {
        let lines = Lines::of(state, attention.unwrap_or_default());
        if let Some(icon) = &self.icon {
            let shown = icon.update(|item| {
                if attention.is_some() {
                    item.lines = lines;
                } else {
                    item.lines.gateway = lines.gateway;
                }
            });
            if shown.await.is_none() {
                tracing::warn!("the icon in the tray has ended");
                self.icon = None;
            }
            return;
        }
        if self.is_in_vain {
            return;
        }
        let item = Item { lines, choose: self.choose.clone(), pixels: pixels().into_iter().collect() };
        // A desktop may get its tray later than this service.
        match item.assume_sni_available(true).spawn().await {
            Ok(icon) => self.icon = Some(icon),
            Err(error) => {
                tracing::debug!(%error, "there is no icon in a tray");
                self.is_in_vain = true;
            }
        }
    }
}

/// The lines of the menu that change.
struct Lines {
    gateway: String,
    attention: String,
    needs_attention: bool,
    is_stopped: bool,
}

impl Lines {
    fn of(state: &GatewayState, attention: &[Attention]) -> Self {
        Self {
            gateway: state.in_words(),
            attention: match attention {
                [] => "Nothing needs attention".into(),
                [one] => one.title.clone(),
                many => format!("{} things need attention", many.len()),
            },
            needs_attention: !attention.is_empty(),
            // Also where the gateway is turned off besides.
            is_stopped: attention.iter().any(|attention| attention.fix == Fix::Resume),
        }
    }
}

struct Item {
    lines: Lines,
    choose: mpsc::UnboundedSender<Chosen>,
    pixels: Vec<Icon>,
}

impl Item {
    fn line(text: &str, chosen: Chosen) -> StandardItem<Self> {
        StandardItem {
            // An underline in a label would mark a key.
            label: text.replace('_', "__"),
            activate: Box::new(move |item: &mut Self| item.choose(chosen)),
            ..StandardItem::default()
        }
    }

    fn choose(&self, chosen: Chosen) {
        // Nobody listens any more where the service ends at this moment.
        let _ = self.choose.send(chosen);
    }
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        IDENTIFIER.into()
    }

    fn title(&self) -> String {
        PRODUCT_NAME.into()
    }

    fn status(&self) -> Status {
        if self.lines.needs_attention { Status::NeedsAttention } else { Status::Active }
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        self.pixels.clone()
    }

    fn attention_icon_pixmap(&self) -> Vec<Icon> {
        self.pixels.clone()
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip { title: PRODUCT_NAME.into(), description: self.lines.gateway.clone(), ..ToolTip::default() }
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.choose(Chosen::Open);
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let Lines { gateway, attention, needs_attention, is_stopped } = &self.lines;
        vec![
            StandardItem { enabled: false, ..Self::line(gateway, Chosen::Open) }.into(),
            StandardItem { enabled: *needs_attention, ..Self::line(attention, Chosen::Open) }.into(),
            MenuItem::Separator,
            Self::line(if *is_stopped { "Resume" } else { "Stop everything" }, Chosen::StopOrResume).into(),
            MenuItem::Separator,
            Self::line(&format!("Open {PRODUCT_NAME}"), Chosen::Open).into(),
            Self::line("Quit", Chosen::Quit).into(),
        ]
    }

    // The icon comes back with the next tray.
    fn watcher_offline(&self, _reason: ksni::OfflineReason) -> bool {
        true
    }
}

/// The icon as the protocol wants it: ARGB, each in network order.
fn pixels() -> Option<Icon> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(ICON)).read_info().ok()?;
    let mut data = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut data).ok()?;
    if info.color_type != png::ColorType::Rgba || info.bit_depth != png::BitDepth::Eight {
        return None;
    }
    for pixel in data.chunks_exact_mut(4) {
        pixel.rotate_right(1);
    }
    Some(Icon { width: i32::try_from(info.width).ok()?, height: i32::try_from(info.height).ok()?, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_icon_of_the_tray_is_there() {
        let icon = pixels().expect("it is read");
        assert_eq!((icon.width, icon.height, icon.data.len()), (32, 32, 32 * 32 * 4));
    }
}
