// SPDX-License-Identifier: GPL-3.0-or-later
// Applies, against a QEMU that keeps books: what they leave when all goes well, when any of their steps
// fails, and when the supervisor dies at any of them.
#include <fcntl.h>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "halves.hpp"
#include "launch/applier.hpp"
#include "launch/compile_changes.hpp"
#include "model_qemu.hpp"
#include "qmp/async.hpp"

using namespace qvm;
using namespace qvm::launch;
using test::Half;
using test::half;

namespace {

using qmp::net::awaitable;

constexpr std::chrono::milliseconds a_moment{1};

/// Where and how an apply goes wrong.
struct Fault {
    enum class Kind { None, Refusal, DeathBefore, DeathAfter };
    Kind kind = Kind::None;
    std::size_t at = 0;  ///< the number of the change, from 0
};

/// What is different, as a JSON patch; in what order things came does not matter here.
std::string difference_of(const Json& is, const Json& should_be) {
    const auto sorted = [](const Json& books) { return nlohmann::json::parse(books.dump()); };
    const auto patch = nlohmann::json::diff(sorted(should_be), sorted(is));
    return patch.empty() ? std::string() : patch.dump(1);
}

awaitable<void> shake_hands(qmp::Client& client) {
    auto greeted = client.handshake(std::chrono::seconds(10));
    co_await std::move(greeted);
}

awaitable<void> run_into(Applier& applier, Operations operations, std::map<std::string, Fd> fds,
                         ApplyOutcome& outcome) {
    auto run = applier.run(std::move(operations), std::move(fds), a_moment);
    outcome = co_await std::move(run);
}

awaitable<void> resume_into(Applier& applier, std::string& sentence) {
    auto resumed = applier.resume();
    sentence = co_await std::move(resumed);
}

std::map<std::string, Fd> open_all(const ChangePlan& plan) {
    std::map<std::string, Fd> fds;
    for (const auto* steps : {&plan.host, &plan.host_for_undo})
        for (const auto& step : *steps) fds[step.name] = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return fds;
}

/// A VM, its supervisor's record, and one apply.
class Scene {
  public:
    Scene(const Half& before, const Half& after, bool replug)
        : before_(before), after_(after), replug_(replug) {
        qemu.begin_with(before.vm);
        helpers_of(before.vm);
        record.compiled = before.parts;
        record.phase = Applied::Phase::Running;
        books_before = books();
    }

    /// With a fault, until the supervisor is dead or the apply is over.
    void apply(Fault fault) {
        const auto difference = diff(before_.side(), after_.side(), test::saved_qemu());
        auto plan = compile_changes(before_.side(), after_.side(), difference, test::saved_qemu(),
                                    qemu.fdsets(), replug_);
        for (auto* part : {&plan.operations.additions, &plan.operations.replugs})
            for (auto& operation : *part)
                if (operation.kind == Operation::Kind::TakeHelper) operation.arguments["pid"] = 1;
        fault_ = fault;
        changes_ = 0;
        qemu.on_change = [this](const std::string&, bool done) { note_change(done); };
        live([&](Applier& applier) {
            qmp::run(context, run_into(applier, std::move(plan.operations), open_all(plan), outcome));
        });
        fault_ = {};
    }

    /// A new supervisor, with nothing but what is written down.
    void adopt() {
        record = Applied::from_json(written);
        dead_ = false;
        live([&](Applier& applier) { qmp::run(context, resume_into(applier, sentence)); });
    }

    Json books() const {
        Json all = qemu.books();
        all["helpers"] = helpers_;
        return all;
    }
    bool hit() const { return hit_; }
    bool removing() const { return removing_; }

    qmp::net::io_context context{1};
    test::ModelQemu qemu{context};
    Applied record;
    Json written;
    Json books_before;
    ApplyOutcome outcome;
    std::string sentence;
    std::size_t writes = 0;
    std::size_t disk_full_at = std::string::npos;  ///< the number of the first write that fails

  private:
    /// The life of a supervisor.
    template <class Work>
    void live(const Work& work) {
        auto client = qemu.connect();
        context.restart();
        qmp::run(context, shake_hands(client));
        client_ = &client;
        const ApplyHooks hooks{[this] { write(); },
                               [this](const Json&) { note_own([] {}); },
                               [this](const Json& helper) {
                                   note_own([&] { helpers_.insert(helper.at("name").get<std::string>()); });
                               },
                               [this](const Json& helper) {
                                   note_own([&] { helpers_.erase(helper.at("name").get<std::string>()); });
                               },
                               [](const std::string&) {},
                               [this](const Json&) { note_own([] {}); }};
        Applier applier(context, client, record, hooks);
        context.restart();
        work(applier);
        client_ = nullptr;
    }

    void helpers_of(const config::Vm& vm) {
        for (const auto& resource : vm.resources)
            if (resource.id.kind == config::Kind::Host) helpers_.insert(resource.id.to_string());
    }

    void write() {
        if (dead_) return;
        if (writes++ >= disk_full_at) throw Error(ExitCode::Usage, "No space left on device");
        removing_ = removing_ || (record.in_flight && record.in_flight->removing);
        written = record.to_json();
    }

    /// Whether this is the step that is to go wrong. Nobody hears of anything any more after a death.
    void note_change(bool done) {
        if (!done) {
            const bool now = changes_++ == fault_.at && fault_.kind != Fault::Kind::None;
            struck_ = now;
            if (!now) return;
            hit_ = true;
            if (fault_.kind == Fault::Kind::Refusal)
                throw qmp::ExecuteError("", "GenericError", "not this time");
            if (fault_.kind == Fault::Kind::DeathBefore) {
                dead_ = true;
                client_->close();
                throw qmp::ExecuteError("", "GenericError", "nobody hears this");
            }
            return;
        }
        if (struck_ && fault_.kind == Fault::Kind::DeathAfter) {
            dead_ = true;
            client_->close();
        }
    }

    template <class Do>
    void note_own(const Do& what) {
        if (dead_) return;
        if (fault_.kind == Fault::Kind::Refusal) note_change(false);
        what();
    }

    const Half& before_;
    const Half& after_;
    bool replug_;
    Fault fault_;
    std::size_t changes_ = 0;
    bool struck_ = false, hit_ = false, dead_ = false, removing_ = false;
    std::set<std::string> helpers_;
    qmp::Client* client_ = nullptr;
};

/// What there should be in the end: of what waits for the next start, what there was.
Json expected(const Half& before, const Half& after, bool replug) {
    std::set<config::ResourceId> waits;
    for (const auto& change : diff(before.side(), after.side(), test::saved_qemu()).changes)
        if (change.action == Action::NextStart || (change.action == Action::Replug && !replug))
            waits.insert(change.resource);
    Json books = Json::object();
    for (const char* kind : {"object", "blockdev", "netdev", "chardev", "device"})
        books[kind] = Json::object();
    const auto add = [&](const config::Vm& vm, bool waiting) {
        for (const auto& resource : vm.resources) {
            const auto name = resource.id.to_string();
            if (resource.id.kind == config::Kind::Host || waits.contains(resource.id) != waiting) continue;
            books[name.substr(0, name.find('.'))][resource.id.id] = test::in_books(resource);
        }
    };
    add(before.vm, true);
    add(after.vm, false);
    return books;
}

/// The record says what there is.
void check_record(const Scene& scene) {
    Json recorded = Json::object();
    Json there = Json::object();
    const Json books = scene.books();
    for (const char* kind : {"object", "blockdev", "netdev", "chardev", "device"})
        for (const auto& entry : books.at(kind).items()) there[std::string(kind) + '.' + entry.key()] = true;
    for (const auto& resource : scene.record.compiled.resources)
        if (!resource.id.starts_with("host.")) recorded[resource.id] = true;
    CHECK(difference_of(recorded, there) == std::string());
}

Json without_extras(Json books) {
    books.erase("fdset");
    books.erase("helpers");
    return books;
}

const std::string disk_a = "[disk.a]\nfile = \"/srv/a.raw\"\n";
const std::string disk_b = "[disk.b]\nfile = \"/srv/b.qcow2\"\nformat = \"qcow2\"\n";
const std::string scsi = "[disk.s]\nfile = \"/srv/s.raw\"\nbus = \"scsi\"\n";
const std::string net = "[net.lan]\ntype = \"user\"\n";
const std::string iothread = "[iothread.io]\n";
const std::string throttle = "[object.slow]\nqom-type = \"throttle-group\"\nlimits = { iops-total = 100 }\n";
const std::string cd_x = "[cdrom.c]\nfile = \"/srv/x.iso\"\n";
const std::string cd_y = "[cdrom.c]\nfile = \"/srv/y.iso\"\n";
const std::string replugged = "[disk.a]\nfile = \"/srv/a.raw\"\ndevice = { num-queues = 2 }\n";

struct Pair {
    std::string before, after;
};

const std::vector<Pair>& pairs() {
    static const std::vector<Pair> all{
        {"", disk_a + disk_b + net + iothread + throttle},
        {disk_a + disk_b + net + iothread + throttle, ""},
        {cd_x + disk_a, cd_y + disk_b},
        {disk_a + net, replugged + net + iothread},
        {scsi + throttle, scsi + disk_a + throttle + "[object.io2]\nqom-type = \"iothread\"\n"},
        {"lifecycle.stop-timeout = \"3s\"\n" + disk_a, "lifecycle.stop-timeout = \"4s\"\n" + disk_b},
    };
    return all;
}

/// A VM of some of these, by dice.
std::string some(std::mt19937& dice) {
    const auto heads = [&] { return std::uniform_int_distribution<int>(0, 1)(dice) == 1; };
    std::string text;
    for (const auto& part : {disk_b, scsi, net, iothread, throttle})
        if (heads()) text += part;
    if (heads()) text += heads() ? disk_a : replugged;
    if (heads()) text += heads() ? cd_x : cd_y;
    for (int i = 0; i < 3; ++i)
        if (heads()) text += fmt::format("[disk.n{0}]\nfile = \"/srv/{1}{0}.raw\"\n", i, heads() ? "n" : "m");
    return text;
}

}  // namespace

TEST_CASE("an apply makes of one VM what another file says") {
    std::mt19937 dice(20260101);
    int applied = 0;
    for (int i = 0; i < 150; ++i) {
        const auto before_text = some(dice), after_text = some(dice);
        const bool replug = i % 2 == 0;
        INFO("from:\n" << before_text << "to:\n" << after_text << "replug: " << replug);
        const Half before = half(before_text);
        Diagnostics diagnostics;
        const Half after = test::half_with(after_text, diagnostics, &before);
        if (diagnostics.has_errors()) continue;  // no port is free for it
        ++applied;
        Scene scene(before, after, replug);
        scene.apply({});
        INFO(scene.outcome.failed << ": " << scene.outcome.reason);
        CHECK(scene.outcome.failed.empty());
        CHECK(difference_of(without_extras(scene.books()), expected(before, after, replug)) == std::string());
        check_record(scene);
        CHECK_FALSE(scene.record.in_flight);
    }
    CHECK(applied > 100);
}

TEST_CASE("whatever step of an apply fails, the VM is as it was, or what is left is told") {
    for (const auto& [before_text, after_text] : pairs()) {
        const Half before = half(before_text);
        const Half after = half(after_text, &before);
        for (std::size_t at = 0;; ++at) {
            INFO("from:\n" << before_text << "to:\n" << after_text << "fault at " << at);
            Scene scene(before, after, true);
            scene.apply({Fault::Kind::Refusal, at});
            if (!scene.hit()) {
                CHECK(at > 0);
                break;
            }
            check_record(scene);
            if (scene.outcome.failed.empty() || scene.removing()) continue;
            INFO(scene.outcome.failed);
            CHECK(scene.outcome.not_undone.empty());
            CHECK(difference_of(scene.books(), scene.books_before) == std::string());
        }
    }
}

TEST_CASE("whenever the disk is full, the VM is as it was, or what is left is told") {
    for (const auto& [before_text, after_text] : pairs()) {
        const Half before = half(before_text);
        const Half after = half(after_text, &before);
        for (std::size_t at = 0;; ++at) {
            INFO("from:\n" << before_text << "to:\n" << after_text << "full at write " << at);
            Scene scene(before, after, true);
            scene.disk_full_at = at;
            scene.apply({});
            if (scene.writes <= at) break;
            check_record(scene);
            INFO(scene.outcome.failed);
            if (scene.outcome.failed.empty())
                CHECK(scene.writes == at + 1);  // the last one of all
            else if (!scene.removing())
                // A medium may have its descriptor twice then.
                CHECK(difference_of(without_extras(scene.books()), without_extras(scene.books_before)) ==
                      std::string());
        }
    }
}

TEST_CASE("at whatever step the supervisor dies, the next one undoes the apply or finishes it") {
    for (const auto& [before_text, after_text] : pairs()) {
        const Half before = half(before_text);
        const Half after = half(after_text, &before);
        for (const auto kind : {Fault::Kind::DeathBefore, Fault::Kind::DeathAfter})
            for (std::size_t at = 0;; ++at) {
                INFO("from:\n"
                     << before_text << "to:\n"
                     << after_text << "death at " << at << ", "
                     << (kind == Fault::Kind::DeathAfter ? "after" : "before"));
                Scene scene(before, after, true);
                scene.apply({kind, at});
                if (!scene.hit()) break;
                const bool removing = scene.removing();
                scene.adopt();
                INFO(scene.sentence);
                CHECK_FALSE(scene.sentence.empty());
                CHECK_FALSE(scene.record.in_flight);
                if (scene.sentence.find("what of it could be") != std::string::npos) continue;
                check_record(scene);
                if (!removing) CHECK(difference_of(scene.books(), scene.books_before) == std::string());
            }
    }
}

TEST_CASE("a guest that does not let a device go keeps it, and what it stands on") {
    const Half before = half(disk_a + disk_b);
    const Half after = half("", &before);
    Scene scene(before, after, false);
    scene.qemu.guest_listens = false;
    scene.apply({});
    CHECK(scene.outcome.pending == std::vector<std::string>{"device.b", "device.a"});
    CHECK(difference_of(scene.books(), scene.books_before) == std::string());
    CHECK(scene.record.pending.size() == 2);
    CHECK_FALSE(scene.record.after_pending.empty());
    check_record(scene);
}
