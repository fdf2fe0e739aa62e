# Manual pages and completion: made from the tables in the code, and installed.
set(man ${CMAKE_BINARY_DIR}/man)
set(completion ${CMAKE_BINARY_DIR}/completion/syncctl)
set(date SYNCD_DATE="November 25, 2026") # what both pages say
file(MAKE_DIRECTORY ${man} ${CMAKE_BINARY_DIR}/completion)

target_compile_definitions(syncctl PRIVATE ${date})
add_custom_command(OUTPUT ${man}/syncctl.1
    COMMAND syncctl __man > ${man}/syncctl.1
    DEPENDS syncctl VERBATIM)

add_executable(syncd_page man/syncd_page.c)
target_link_libraries(syncd_page PRIVATE syncd_flags)
target_compile_definitions(syncd_page PRIVATE ${date})
set_target_properties(syncd_page PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
add_custom_command(OUTPUT ${man}/syncd.8
    COMMAND syncd_page < ${CMAKE_CURRENT_SOURCE_DIR}/man/syncd.8.in
        > ${man}/syncd.8
    DEPENDS syncd_page man/syncd.8.in VERBATIM)

add_custom_command(OUTPUT ${completion}
    COMMAND syncctl __complete bash > ${completion}
    DEPENDS syncctl VERBATIM)

add_custom_target(syncctl_documents ALL
    DEPENDS ${man}/syncctl.1 ${man}/syncd.8 ${completion})

install(FILES ${man}/syncctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${man}/syncd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${completion}
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
