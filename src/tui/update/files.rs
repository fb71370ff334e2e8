//! Files on their way.

use super::{Effect, Effects, Tag, commands};
use crate::{
    node::{Command, FileSend, NoticeLevel, Transfer, TransferState},
    tui::{
        command::Cmd,
        model::{Confirm, Confirmed, FileKey, Model, Overlay},
    },
    wire::EnvelopeId,
};

/// Most transfers in memory; those that ended first are forgotten.
const TRANSFERS_MOST: usize = 2_000;

/// Takes a transfer as it now is.
pub(super) fn transfer(model: &mut Model, transfer: Transfer) {
    let (key, id) = ((transfer.peer, transfer.transfer), transfer.transfer);
    model.transfers.insert(key, transfer);
    if model.transfers.len() > TRANSFERS_MOST
        && let Some(last) = model.listed_transfers().last().map(|last| (last.peer, last.transfer))
    {
        model.transfers.remove(&last);
    }
    // What is selected stays selected, wherever it moves to; so nothing else takes its place before a question.
    for overlay in &mut model.overlays {
        if let Overlay::Files { selected } = overlay {
            selected.get_or_insert(key);
        }
    }
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
        // Where there is something to cancel it was asked about.
        Cmd::FileCancel => model.notice(NoticeLevel::Info, "No file that is still on its way is selected"),
        Cmd::FileList => {
            let selected = model.listed_transfers().first().map(|first| (first.peer, first.transfer));
            commands::show(model, Overlay::Files { selected });
        }
        _ => return false,
    }
    true
}

fn send(model: &mut Model, path: &str, out: &mut Effects) {
    let Some(conversation) = model.current().cloned() else { return commands::no_peer(model) };
    let chosen = model.views.get(&conversation).map(|view| (view.composer.mode, view.composer.policy));
    let (mode, policy) = chosen.unwrap_or_default();
    let request = FileSend {
        to: conversation.peer.to_string(),
        path: path.to_owned(),
        mode,
        thread_id: Some(conversation.thread_id),
        policy,
    };
    model.notice(NoticeLevel::Info, "Reading the file");
    out.push(Effect::OfferFile(request));
}

/// The transfer that is selected in the list, or that the selected message offers; without a selection the latest of
/// this conversation that has not ended.
pub(super) fn meant(model: &Model) -> Option<&Transfer> {
    if let Some(Overlay::Files { selected }) = model.overlays.last() {
        return model.transfers.get(selected.as_ref()?);
    }
    if let Some(message) = model.selected_message() {
        return model.transfers.get(&(message.peer, message.envelope_id));
    }
    let conversation = model.current()?;
    let here = |t: &&Transfer| t.peer == conversation.peer && t.thread_id == conversation.thread_id;
    let open = model.transfers.values().filter(here).filter(|transfer| !transfer.state.is_final());
    open.max_by_key(|transfer| (transfer.since, transfer.transfer))
}

fn on_transfer(model: &mut Model, out: &mut Effects, did: &str, command: impl FnOnce(EnvelopeId) -> Command) {
    match meant(model).map(|transfer| (transfer.transfer, transfer.name.clone())) {
        Some((id, name)) => out.push(Effect::Call(Tag::Done(format!("{did}: {name}")), command(id))),
        None => model.notice(NoticeLevel::Info, "Select a message that offers a file first"),
    }
}

/// The question before the meant transfer is given up. It holds for that one, whatever comes while it is asked.
pub(super) fn question(model: &Model) -> Option<Confirm> {
    let transfer = meant(model).filter(|transfer| !transfer.state.is_final())?;
    let refused = transfer.incoming && transfer.state == TransferState::Offered;
    let (question, loses) = match (refused, transfer.incoming) {
        (true, _) => ("Refuse", "Nothing of it was taken yet; its sender is told"),
        (false, true) => ("Give up", "What came of it is removed"),
        (false, false) => ("Give up", "What its recipient has of it is removed there"),
    };
    Some(Confirm {
        question: format!("{question} {}?", transfer.name),
        loses: loses.to_owned(),
        then: Confirmed::GiveUpFile(transfer.peer, transfer.transfer),
    })
}

/// The user said yes to that.
pub(super) fn give_up(model: &Model, key: FileKey, out: &mut Effects) {
    let Some(transfer) = model.transfers.get(&key) else { return };
    let refused = transfer.incoming && transfer.state == TransferState::Offered;
    let did = if refused { "Refused" } else { "Given up" };
    let tag = Tag::Done(format!("{did}: {}", transfer.name));
    out.push(Effect::Call(tag, Command::FileCancel { transfer: key.1 }));
}

/// Moves the selection of the list; `to` says where from a place and a length.
pub(super) fn select(model: &mut Model, to: impl Fn(usize, usize) -> usize) {
    let Some(Overlay::Files { selected }) = model.overlays.last() else { return };
    let keys: Vec<FileKey> = model.listed_transfers().iter().map(|t| (t.peer, t.transfer)).collect();
    let at = selected.as_ref().and_then(|key| keys.iter().position(|other| other == key)).unwrap_or(0);
    let next = keys.get(to(at, keys.len())).copied();
    if let Some(Overlay::Files { selected }) = model.overlays.last_mut() {
        *selected = next;
    }
}

/// Goes from the list to the message that offers the selected file.
pub(super) fn jump(model: &mut Model, out: &mut Effects) {
    let Some(id) = meant(model).map(|transfer| transfer.transfer) else { return };
    model.overlays.pop();
    out.push(Effect::Call(Tag::Jump(id), Command::Trace { envelope_id: id }));
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
