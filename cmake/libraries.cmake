# SPDX-License-Identifier: GPL-3.0-or-later

# qvm_library(FOLDER LINKS lib...): the static library qvm_FOLDER of all of src/FOLDER.
function(qvm_library folder)
    cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/${folder}/*.cpp)
    if(NOT sources)  # while a folder has only headers
        add_library(qvm_${folder} INTERFACE)
        target_include_directories(qvm_${folder} INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/src)
        target_link_libraries(qvm_${folder} INTERFACE ${arg_LINKS})
        return()
    endif()
    add_library(qvm_${folder} STATIC ${sources})
    target_include_directories(qvm_${folder} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/src)
    target_link_libraries(qvm_${folder} PUBLIC ${arg_LINKS} PRIVATE qvm_warnings)
    if(folder STREQUAL "base")
        target_precompile_headers(qvm_base PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled.hpp)
    elseif(folder STREQUAL "shell")
        target_precompile_headers(qvm_shell PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled.hpp)
    elseif(NOT folder STREQUAL "jail" AND NOT "qvm_asio" IN_LIST arg_LINKS AND NOT folder STREQUAL "launch")
        target_precompile_headers(qvm_${folder} REUSE_FROM qvm_base)
    endif()
endfunction()

configure_file(${CMAKE_SOURCE_DIR}/src/base/version.hpp.in ${CMAKE_BINARY_DIR}/src/base/version.hpp @ONLY)
