# cmake -DEXAMPLE=PROGRAM -P cmake/CheckReadme.cmake
# The README's program is examples/01_first_look.cpp, and its output is what that program prints.
cmake_minimum_required(VERSION 3.25)
set(root ${CMAKE_CURRENT_LIST_DIR}/..)
file(READ ${root}/README.md readme)
file(READ ${root}/examples/01_first_look.cpp program)
execute_process(COMMAND ${EXAMPLE} WORKING_DIRECTORY ${root}/examples/data OUTPUT_VARIABLE printed COMMAND_ERROR_IS_FATAL ANY)
foreach(part program printed)
  string(FIND "${readme}" "${${part}}" place)
  if(place EQUAL -1)
    message(SEND_ERROR "README.md does not show what the example ${part} is:\n${${part}}")
  endif()
endforeach()
