//! Files on their way.

use super::{Effect, Effects, Tag};
use crate::{
    node::{Command, FileSend, NoticeLevel, Transfer},
    tui::{
        command::Cmd,
        model::{Model, Overlay},
    },
};

/// Takes a transfer as it now is.
pub(super) fn transfer(model: &mut Model, transfer: Transfer) {
    let id = transfer.transfer;
    model.transfers.insert((transfer.peer, id), transfer);
    for view in model.views.values_mut() {
        if let Some(position) = view.window.find(&id).map(|message| message.position) {
            view.forget_layout(position);
        }
    }
}

/// Carries out a command about files.
pub(super) fn run(model: &mut Model, cmd: &Cmd, out: &mut Effects) -> bool {
    match cmd {
        Cmd::FileSend(None) => super::pickers::open_palette(model, "file.send "),
        Cmd::FileSend(Some(path)) => send(model, path.as_str(), out),
        Cmd::FileAccept => on_transfer(model, out, "Taken", |transfer| Command::FileAccept { transfer }),
        Cmd::FilePause => on_transfer(model, out, "Paused", |transfer| Command::FilePause { transfer }),
        Cmd::FileResume => on_transfer(model, out, "Resumed", |transfer| Command::FileResume { transfer }),
        Cmd::FileCancel => on_transfer(model, out, "Given up", |transfer| Command::FileCancel { transfer }),
        _ => return false,
    }
    true
}

fn send(model: &mut Model, path: &str, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else { return super::commands::no_peer(model) };
    let request = FileSend {
        to: conversation.peer.to_string(),
        path: path.to_owned(),
        mode: Some(model.mode_for(&conversation)),
        thread_id: Some(conversation.thread_id),
        policy: None,
    };
    model.notice(NoticeLevel::Info, "Reading the file");
    out.push(Effect::OfferFile(request));
}

/// The transfer of the selected message; without a selection the latest of this conversation that has not ended.
pub(super) fn meant(model: &Model) -> Option<&Transfer> {
    if let Some(message) = model.selected_message() {
        return model.transfers.get(&(message.peer, message.envelope_id));
    }
    let conversation = model.current()?;
    let here = |t: &&Transfer| t.peer == conversation.peer && t.thread_id == conversation.thread_id;
    let open = model.transfers.values().filter(here).filter(|transfer| !transfer.state.is_final());
    let at = |id| model.views.get(conversation).and_then(|view| view.window.find(id)).map(|message| message.position);
    open.max_by_key(|transfer| at(&transfer.transfer))
}

fn on_transfer(
    model: &mut Model,
    out: &mut Effects,
    did: &str,
    command: impl FnOnce(crate::wire::EnvelopeId) -> Command,
) {
    match meant(model).map(|transfer| (transfer.transfer, transfer.name.clone())) {
        Some((id, name)) => out.push(Effect::Call(Tag::Done(format!("{did}: {name}")), command(id))),
        None => model.notice(NoticeLevel::Info, "Select a message that offers a file first"),
    }
}

/// The folder whose entries complete the path that is being typed; none while no path is.
fn typed_folder(model: &Model) -> Option<String> {
    let Some(Overlay::Palette(picker)) = model.overlays.last() else { return None };
    let text = picker.input.text();
    let rest = super::pickers::typed_path(text.trim_start_matches(':').trim_start())?;
    Some(rest[..rest.rfind('/').map_or(0, |slash| slash + 1)].to_owned())
}

/// Asks for the entries of the folder that is being typed, when they are not here.
pub(super) fn want_listing(model: &mut Model, out: &mut Effects) {
    let Some(folder) = typed_folder(model) else { return };
    if model.listed.as_ref().is_none_or(|(listed, _)| *listed != folder) {
        model.listed = Some((folder.clone(), Vec::new()));
        out.push(Effect::ListFolder(folder));
    }
}

/// The entries of a folder are here.
pub(super) fn listed(model: &mut Model, folder: String, entries: Vec<String>) {
    if typed_folder(model).as_ref() == Some(&folder) {
        model.listed = Some((folder, entries));
        super::pickers::narrow(model);
    }
}
