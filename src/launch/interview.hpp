// SPDX-License-Identifier: GPL-3.0-or-later
// A throw-away QEMU without a machine, and questions to it.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"
#include "config/resource.hpp"
#include "qmp/message.hpp"

namespace qvm::launch {

/// QEMU ended, or does not answer. The advice repeats what it wrote.
class InterviewOver : public Error {
    using Error::Error;
};

/// One process, `-M none`, jailed unless `mode` is Off, and a connection to it. Both end with this.
class Interview {
  public:
    enum class Stage {
        Preconfig,  ///< machine types can be looked at, and nothing afterwards: QEMU 7.2 dies of going on
                    ///< then
        Ready,
    };
    /// Throws InterviewOver, jail::SetupError.
    Interview(const config::QemuBinary& qemu, const std::filesystem::path& binary, config::JailMode mode,
              Stage stage);
    Interview(const Interview&) = delete;
    Interview& operator=(const Interview&) = delete;
    ~Interview();

    const qmp::Greeting& greeting() const;
    /// The answer of a command. Throws qmp::ExecuteError, InterviewOver.
    Json ask(const std::string& command, const Json& arguments = nullptr);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qvm::launch
