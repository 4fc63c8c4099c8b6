// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/qmp_lines.hpp"

#include <array>
#include <cerrno>
#include <deque>
#include <sys/epoll.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "qmp/async.hpp"

namespace qvm::cli {
namespace {

/// Commands that are read ahead of their answers.
constexpr std::size_t most_ahead = 64;
constexpr auto socket_failed = static_cast<ExitCode>(3);

Json error_line(const std::string& error_class, const std::string& description) {
    Json error = Json::object();
    error["class"] = error_class;
    error["desc"] = description;
    Json line = Json::object();
    line["error"] = std::move(error);
    return line;
}

/// What went wrong, as QMP says it; the classes that QMP has not are ours.
Json error_line(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const qmp::ExecuteError& error) {
        return error_line(error.error_class(), error.description());
    } catch (const qmp::InterruptedError& error) {
        const bool late = error.why() == qmp::InterruptedError::Why::DeadlinePassed;
        return error_line(late ? "TimedOut" : "Disconnected", error.what());
    } catch (const Error& error) {
        return error_line("Invalid", error.advice().empty()
                                         ? error.what()
                                         : fmt::format("{}; {}", error.what(), error.advice()));
    } catch (const std::exception& error) {
        return error_line("Invalid", error.what());
    }
}

/// Standard input's readiness. Through an epoll of its own, made once: Asio would set the descriptor itself
/// to non-blocking, and with it that of whoever else holds it.
class Input {
  public:
    explicit Input(qmp::net::io_context& context) : ready_(context) {
        Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
        if (!epoll) throw_errno("watch standard input");
        epoll_event event{};
        event.events = EPOLLIN;
        if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0)
            ready_.assign(epoll.release());
        else if (errno != EPERM)  // the kernel cannot wait for a regular file: it is always readable
            throw_errno("watch standard input");
    }

    qmp::net::awaitable<void> readable() {
        if (!ready_.is_open()) co_return;
        auto ready =
            ready_.async_wait(qmp::net::posix::stream_descriptor::wait_read, qmp::net::use_awaitable);
        co_await std::move(ready);
    }

    /// Appends what is there. False at its end.
    static bool read_some(std::string& text) {
        std::array<char, 65'536> buffer;
        const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (count < 0 && errno != EINTR && errno != EAGAIN) throw_errno("read standard input");
        if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
        return count != 0;
    }

  private:
    qmp::net::posix::stream_descriptor ready_;
};

class Lines {
  public:
    Lines(Attached& attached, const CommandRunner::Options& options)
        : context_(attached.context()),
          client_(attached.client()),
          runner_(client_, options),
          changed_(context_),
          stdin_(context_) {}

    qmp::net::awaitable<void> run() {
        for (;;) {
            auto reading = next_entry();
            const auto entry = co_await std::move(reading);
            if (!entry) break;
            auto taking = take(*entry);
            co_await std::move(taking);
            if (client_.runstate() != qmp::Runstate::Running) break;
        }
        auto finishing = wait_for_answers(0);
        co_await std::move(finishing);
    }

    ExitCode status() const {
        if (client_.runstate() != qmp::Runstate::Running && failed_) return socket_failed;
        return failed_ ? static_cast<ExitCode>(1) : ExitCode::Ok;
    }

  private:
    /// One line of output on its way.
    struct Answer {
        std::string text;
        bool done = false;
    };
    using AnswerPtr = std::shared_ptr<Answer>;

    qmp::net::awaitable<std::optional<std::string>> next_entry() {
        for (;;) {
            std::string_view rest = std::string_view(input_).substr(taken_);
            // A text that goes on for long is not looked at with each of its lines.
            if (ended_ || input_.size() >= look_at_) {
                if (const auto entry = shell::next_entry(rest, ended_)) {
                    std::string copy(*entry);
                    taken_ = input_.size() - rest.size();
                    look_at_ = 0;
                    co_return copy;
                }
                if (ended_) co_return std::nullopt;
                look_at_ = taken_ + 2 * (input_.size() - taken_);
                if (input_.size() - taken_ < 65'536) look_at_ = 0;
            }
            input_.erase(0, taken_);
            look_at_ -= std::min(look_at_, taken_);
            taken_ = 0;
            auto waiting = stdin_.readable();
            co_await std::move(waiting);
            ended_ = !Input::read_some(input_);
        }
    }

    /// Begins to run one entry.
    qmp::net::awaitable<void> take(std::string entry) {
        std::optional<shell::Request> request;
        std::exception_ptr failure;
        auto understanding = runner_.understand(std::move(entry));
        try {
            request = co_await std::move(understanding);
        } catch (const Error&) {
            failure = std::current_exception();
        }
        if (!request && !failure) co_return;
        const auto answer = std::make_shared<Answer>();
        answers_.push_back(answer);
        if (failure) {
            finish(answer, error_line(failure));
        } else {
            qmp::spawn(context_, run_one(answer, std::move(*request)),
                       [this, answer](const std::exception_ptr& why) { finish(answer, error_line(why)); });
            // It is sent in this turn of the loop, before what the next entry may have to ask.
            auto turn = boost::asio::post(context_, boost::asio::use_awaitable);
            co_await std::move(turn);
        }
        auto waiting = wait_for_answers(most_ahead);
        co_await std::move(waiting);
    }

    qmp::net::awaitable<void> run_one(AnswerPtr answer, shell::Request request) {
        auto running = runner_.run(std::move(request));
        Json line = Json::object();
        line["return"] = co_await std::move(running);
        finish(answer, line);
    }

    void finish(const AnswerPtr& answer, const Json& line) {
        failed_ = failed_ || line.contains("error");
        answer->text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
        answer->done = true;
        if (!answers_.front()->done) return;
        while (!answers_.empty() && answers_.front()->done) {
            std::fwrite(answers_.front()->text.data(), 1, answers_.front()->text.size(), stdout);
            answers_.pop_front();
        }
        if (std::fflush(stdout) != 0) throw_errno("write to standard output");
        changed_.notify();
    }

    /// Until at most so many are missing.
    qmp::net::awaitable<void> wait_for_answers(std::size_t most) {
        while (answers_.size() > most) {
            auto change = changed_.wait();
            co_await std::move(change);
        }
    }

    qmp::net::io_context& context_;
    qmp::Client& client_;
    CommandRunner runner_;
    qmp::Signal changed_;
    Input stdin_;
    std::string input_;
    std::size_t taken_ = 0;    ///< of input_
    std::size_t look_at_ = 0;  ///< the length of input_ from which on it is looked at again
    bool ended_ = false;
    bool failed_ = false;
    std::deque<AnswerPtr> answers_;
};

}  // namespace

ExitCode run_lines(Attached& attached, const CommandRunner::Options& options) {
    Lines lines(attached, options);
    attached.context().restart();
    qmp::run(attached.context(), lines.run());
    return lines.status();
}

}  // namespace qvm::cli
